package import FogCore
package import FogNet

/// The error document of the API (RFC 9457), on both sides of the wire.
///
/// `type` is `about:blank`, so `title` is the status in words; what callers switch on is `code`.
package struct Problem: CodedFailure, Hashable {
    package static let contentType = "application/problem+json"

    /// One mistake in what was sent.
    package struct Detail: Hashable, Sendable {
        /// Where, as a JSON pointer (RFC 6901): `/resources/memory`.
        package var pointer: String
        /// In the text that was submitted, from 1.
        package var mark: SourceMark?
        package var detail: String
        /// What to write instead.
        package var hint: String?

        package init(pointer: String, mark: SourceMark? = nil, detail: String, hint: String? = nil) {
            self.pointer = pointer
            self.mark = mark
            self.detail = detail
            self.hint = hint
        }
    }

    package var type = "about:blank"
    package var title: String
    /// The HTTP status.
    package var status: Int
    package var detail: String
    package let code: String
    /// The thing it is about: `/v1/jobs/…`.
    package var instance: String?
    package var errors: [Detail] = []
    /// The coordinator's clock, where a signature was made at another time.
    package var serverTime: Timestamp?
    /// When to ask again (`Retry-After`), in whole seconds.
    package var retryAfterSeconds: Int?

    package var message: String { detail }

    package init(
        _ status: Int, _ code: String, _ detail: String, instance: String? = nil, errors: [Detail] = [],
        serverTime: Timestamp? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        title = Self.title(of: status)
        self.instance = instance
        self.errors = errors
        self.serverTime = serverTime
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// The document for a failure of any module. Code and message travel unchanged.
    package init(_ failure: any CodedFailure, status: Int) {
        if let problem = failure as? Problem {
            self = problem
        } else {
            self.init(status, failure.code, failure.message)
        }
    }

    /// 401, or 429 for `too_many_requests`; with the coordinator's clock where that helps.
    package init(_ refusal: SignatureRefusal) {
        let busy = refusal.code == "too_many_requests"
        self.init(
            busy ? 429 : 401, refusal.code, refusal.message, serverTime: refusal.serverTime,
            retryAfterSeconds: busy ? 10 : nil)
    }

    /// What a stranger may know of a failure that nobody foresaw.
    package static let unexpected = Problem(500, "internal", "the coordinator failed; its log says why")

    /// The status in words (RFC 9110 section 15), for the statuses that Fog uses.
    private static func title(of status: Int) -> String {
        titles[status] ?? (status < 500 ? "Request failed" : "Server failed")
    }

    private static let titles = [
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        408: "Request Timeout", 409: "Conflict", 410: "Gone", 412: "Precondition Failed", 413: "Content Too Large",
        415: "Unsupported Media Type", 422: "Unprocessable Content", 426: "Upgrade Required",
        429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
        501: "Not Implemented", 503: "Service Unavailable", 507: "Insufficient Storage",
    ]
}

// MARK: - JSON

extension Problem {
    package var json: JSON {
        .object([
            "type": .string(type),
            "title": .string(title),
            "status": .integer(Int64(status)),
            "detail": .string(detail),
            "code": .string(code),
            "instance": instance.map(JSON.string),
            "errors": errors.isEmpty ? nil : .array(errors.map(\.json)),
            "server_time": serverTime.map { .string($0.description) },
            "retry_after_seconds": retryAfterSeconds.map { .integer(Int64($0)) },
        ])
    }

    /// - Throws: `bad_problem` when status or code is missing; members that are not known are passed over, as RFC 9457
    ///   section 3.2 wants it.
    package init(_ json: JSON) throws(CoreFailure) {
        guard let status = json["status"]?.integer, (100...599).contains(status), let code = json["code"]?.string else {
            throw CoreFailure("bad_problem", "a problem has a status and a code, found `\(json.compact.prefix(200))`")
        }
        self.init(
            Int(status), code, json["detail"]?.string ?? "", instance: json["instance"]?.string,
            errors: (json["errors"]?.array ?? []).map(Detail.init),
            serverTime: json["server_time"]?.string.flatMap { try? Timestamp($0) },
            retryAfterSeconds: json["retry_after_seconds"]?.integer.flatMap { Int(exactly: $0) })
        type = json["type"]?.string ?? type
        title = json["title"]?.string ?? title
    }
}

extension Problem.Detail {
    fileprivate var json: JSON {
        .object([
            "pointer": .string(pointer),
            "line": mark.map { .integer(Int64($0.line)) },
            "col": mark.map { .integer(Int64($0.column)) },
            "detail": .string(detail),
            "hint": hint.map(JSON.string),
        ])
    }

    fileprivate init(_ json: JSON) {
        var mark: SourceMark?
        if let line = json["line"]?.integer.flatMap({ Int(exactly: $0) }),
            let column = json["col"]?.integer.flatMap({ Int(exactly: $0) })
        {
            mark = SourceMark(line: line, column: column)
        }
        self.init(
            pointer: json["pointer"]?.string ?? "", mark: mark, detail: json["detail"]?.string ?? "",
            hint: json["hint"]?.string)
    }
}

// MARK: - The wire

extension Problem {
    package var response: CarrierResponse {
        var response = CarrierResponse(
            status: status, headers: ["content-type": Self.contentType], body: Array(json.compact.utf8))
        if let retryAfterSeconds { response.headers["retry-after"] = String(retryAfterSeconds) }
        return response
    }

    /// The problem that an answer carries; an answer of 400 and above without a document becomes one of its own
    /// (`http_<status>`: something between us and the coordinator spoke). Nil below 400.
    package init?(_ response: CarrierResponse) {
        guard response.status >= 400 else { return nil }
        let media = response.headers["content-type"].map { String($0.prefix { $0 != ";" }) }
        if media == Self.contentType, let json = try? JSON(parsing: response.body), let problem = try? Problem(json) {
            self = problem
        } else {
            self.init(response.status, "http_\(response.status)", "answered \(response.status) without a document")
        }
        retryAfterSeconds = retryAfterSeconds ?? response.headers["retry-after"].flatMap { Int($0) }
    }
}
