internal import FogAPI
internal import FogCore
internal import FogJobs
internal import FogStore

/// One parameter of a route's query. What is written here is what the document says and what the door takes: a
/// parameter that a route does not list never reaches it.
struct QueryParameter: Sendable {
    enum Shape: Sendable {
        case integer(ClosedRange<Int64>)
        /// `20s`, or 0.
        case duration
        case text(pattern: String?, wanted: String)
        case choice([String])
        /// Some of them, between commas.
        case choices([String])
    }

    let name: String
    let words: String
    let shape: Shape
    let isRequired: Bool

    init(_ name: String, _ shape: Shape, _ words: String, isRequired: Bool = false) {
        self.name = name
        self.shape = shape
        self.words = words
        self.isRequired = isRequired
    }

    /// The longest text, in characters.
    static let longestText = 1000

    // MARK: - What is taken

    var wanted: String {
        switch shape {
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a duration such as 20s, or 0"
        case .text(_, let wanted): wanted
        case .choice(let choices): choices.joined(separator: " or ")
        case .choices(let choices): "some of \(choices.joined(separator: ", ")), between commas"
        }
    }

    func takes(_ text: String) -> Bool {
        switch shape {
        case .integer(let range):
            // One form for each number: no sign, no zero in front.
            Int64(text).map { range.contains($0) && String($0) == text } ?? false
        case .duration: text == "0" || (try? TimeSpan(text)) != nil
        case .text: (1...Self.longestText).contains(text.unicodeScalars.count)
        case .choice(let choices): choices.contains(text)
        case .choices(let choices):
            text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { choices.contains(String($0)) }
        }
    }

    // MARK: - What is said

    var json: JSON {
        .object([
            "name": .string(name), "in": "query", "required": .bool(isRequired), "description": .string(words),
            "schema": schema, "style": isList ? "form" : nil, "explode": isList ? false : nil,
        ])
    }

    private var isList: Bool { if case .choices = shape { true } else { false } }

    private var schema: JSON {
        switch shape {
        case .integer(let range):
            .object([
                "type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
            ])
        case .duration: .object(["type": "string", "pattern": #"^(0|[0-9]{1,4}(ms|s|m|h|d))$"#])
        case .text(let pattern, _):
            .object([
                "type": "string", "minLength": 1, "maxLength": .integer(Int64(Self.longestText)),
                "pattern": pattern.map(JSON.string),
            ])
        case .choice(let choices): .object(["type": "string", "enum": .array(choices.map(JSON.string))])
        case .choices(let choices):
            .object([
                "type": "array", "minItems": 1,
                "items": .object(["type": "string", "enum": .array(choices.map(JSON.string))]),
            ])
        }
    }
}

extension QueryParameter {
    /// Places in files and sizes add up without overflow.
    private static let bytes: ClosedRange<Int64> = 0...1 << 53
    private static let number: ClosedRange<Int64> = 0...Int64(UInt32.max)
    private static let sequence: ClosedRange<Int64> = 0...Int64.max

    static func limit(_ usual: Int, atMost most: Int) -> QueryParameter {
        QueryParameter("limit", .integer(bytes), "how many at once; \(usual) unless told, at most \(most) are given")
    }

    static let wait = QueryParameter(
        "wait", .duration, "how long the answer may wait for what is not there; at most 60s are waited")
    static let offset = QueryParameter("offset", .integer(bytes), "where the piece begins, in bytes; 0 unless told")
    static let length = QueryParameter("length", .integer(bytes), "how much of it; at most 4 MiB are given")
    static let logLimit = QueryParameter(
        "limit", .integer(bytes), "how much of it, in bytes; 1 MiB unless told, at most 4 MiB are given")
    static let total = QueryParameter("total", .integer(bytes), "the blob's size in bytes", isRequired: true)
    static let task = QueryParameter("task", .integer(number), "a task's number")
    static let token = QueryParameter("token", .integer(number), "an attempt's token; the newest attempt unless told")
    static let afterTask = QueryParameter("after", .integer(number), "the last task of the page before")
    static let afterSequence = QueryParameter("after", .integer(sequence), "the cursor of the page before; 0 at first")
    static let beforeSequence = QueryParameter("before", .integer(sequence), "`next` of the page before")
    static let beforeJob = QueryParameter(
        "before", .text(pattern: SchemaLeaf.id, wanted: "a job's id"), "`next` of the page before")
    static let afterAttempt = QueryParameter(
        "after", .text(pattern: SchemaLeaf.attempt, wanted: "an attempt's id"), "`next` of the page before")
    static let afterKey = QueryParameter(
        "after", .text(pattern: SchemaLeaf.id, wanted: "a key id"), "`next` of the page before")
    static let attempt = QueryParameter(
        "attempt", .text(pattern: SchemaLeaf.attempt, wanted: "an attempt's id"), "the attempt that writes",
        isRequired: true)
    static let stream = QueryParameter("stream", .choice(streams), "which stream; stdout unless told")
    static let ownStream = QueryParameter("stream", .choice(streams), "which stream", isRequired: true)
    static let jobStates = QueryParameter("state", .choices(JobState.allCases.map(\.rawValue)), "only jobs in these")
    static let taskStates = QueryParameter("state", .choices(TaskState.allCases.map(\.rawValue)), "only tasks in these")
    static let name = QueryParameter("name", .text(pattern: nil, wanted: "a name"), "only jobs of this name")
    static let account = QueryParameter(
        "account", .text(pattern: nil, wanted: "an account's id, or a principal's name"), "only jobs of this account")
    static let label = QueryParameter(
        "label", .text(pattern: "=", wanted: "name=value"), "only jobs with this label, as name=value")
    static let dryRun = QueryParameter(
        "dry_run", .choice(["1", "0"]), "1: only say what the job would come to, and where it could run")

    private static let streams = LogStream.allCases.map(\.rawValue)
}
