import FogAPI
import FogCore
import FogNet
import Testing

@Suite("Problems")
struct ProblemTests {
    private static let full = Problem(
        422, "bad_manifest", "the manifest has 2 mistakes", instance: "/v1/jobs",
        errors: [
            .init(
                pointer: "/resources/memory", mark: SourceMark(line: 3, column: 19), detail: "`2G` has no unit",
                hint: "write 2GiB"),
            .init(pointer: "/nmae", detail: "unknown key"),
        ], serverTime: Timestamp(seconds: 1_795_000_000), retryAfterSeconds: 5)

    @Test("a problem goes over the wire and back")
    func roundTrip() throws {
        let response = Self.full.response
        #expect(response.status == 422)
        #expect(response.headers["content-type"] == "application/problem+json")
        #expect(response.headers["retry-after"] == "5")
        #expect(Problem(response) == Self.full)
        #expect(try Problem(JSON(parsing: response.body)) == Self.full)
    }

    @Test("the document is the one of RFC 9457 with Fog's members")
    func document() {
        let problem = Problem(409, "stale_lease", "the lease ended")
        #expect(
            problem.json.compact
                == #"{"type":"about:blank","title":"Conflict","status":409,"detail":"the lease ended","#
                + #""code":"stale_lease"}"#)
    }

    @Test("any module's failure becomes a problem with its own code and message; a problem stays what it is")
    func mapping() {
        let problem = Problem(CoreFailure("bad_id", "an id is 26 characters"), status: 400)
        #expect(problem.code == "bad_id" && problem.message == "an id is 26 characters" && problem.status == 400)
        #expect(Problem(Self.full, status: 500) == Self.full)
        #expect(Problem(SignatureRefusal("replayed", "again")).status == 401)
        #expect(Problem(SignatureRefusal("too_many_requests", "wait")).retryAfterSeconds == 10)
    }

    @Test("answers without a document, and documents that are none, become problems of their status")
    func foreign() {
        #expect(Problem(CarrierResponse(status: 200)) == nil)
        #expect(Problem(CarrierResponse(status: 399)) == nil)
        #expect(Problem(CarrierResponse(status: 502, body: Array("<html>".utf8)))?.code == "http_502")
        let headers: CarrierHeaders = ["content-type": "application/problem+json; charset=utf-8", "retry-after": "7"]
        for body in ["", "{}", "[]", #"{"status":"x","code":1}"#, #"{"status":9999,"code":"x"}"#] {
            let problem = Problem(CarrierResponse(status: 503, headers: headers, body: Array(body.utf8)))
            #expect(problem?.code == "http_503" && problem?.retryAfterSeconds == 7, "\(body)")
        }
    }

    @Test("members that are not known are passed over")
    func unknownMembers() throws {
        let text = #"{"status":404,"code":"no_job","balance":30,"errors":[{"x":1},7]}"#
        let problem = try Problem(JSON(parsing: text))
        #expect(problem.code == "no_job" && problem.errors.count == 2 && problem.title == "Not Found")
    }
}
