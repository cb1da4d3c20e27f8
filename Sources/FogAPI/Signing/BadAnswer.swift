internal import FogCore
internal import FogNet

/// An answer to a state change that the coordinator did not sign, or not so: it is nobody's word, and whether anything
/// happened is not known. What carries an idempotency key can be asked again.
package struct BadAnswer: CodedFailure, Equatable {
    package let code = "bad_answer"
    package let message: String

    init(_ reason: String, to request: CarrierRequest) {
        message = "the answer to \(request.method) \(request.path) does not come from the coordinator: \(reason)"
    }
}

/// Decides whether an answer may be believed. Pure.
enum AnswerCheck {
    /// Answers to what changes nothing are not signed: `GET` rests on the connection.
    static func wantsSignature(_ request: CarrierRequest) -> Bool {
        request.method != "GET" && request.method != "HEAD"
    }

    /// - Parameter verify: checks the answer's signature.
    /// - Throws: ``BadAnswer`` for a signature that does not hold, and for none where there must be one.
    static func check(
        _ response: CarrierResponse, to request: CarrierRequest, _ verify: () throws(SignatureRefusal) -> Void
    ) throws(BadAnswer) {
        guard wantsSignature(request) else { return }
        let isSigned = [SignatureProfile.inputHeader, SignatureProfile.signatureHeader]
            .contains { response.headers[$0] != nil }
        guard isSigned || !isRefusalAtTheDoor(response) else { return }
        do throws(SignatureRefusal) {
            try verify()
        } catch {
            let found = Problem(response).map { "\($0.status) \($0.code)" } ?? String(response.status)
            throw BadAnswer("\(error.message) (\(error.code); the answer says \(found))", to: request)
        }
    }

    /// What is said before it is known who asks bears no signature, or strangers could have the coordinator sign all
    /// day. It says that nothing was done; believed wrongly it costs a retry, never a result: refusals that would end
    /// something for good are said by handlers, and those sign.
    private static func isRefusalAtTheDoor(_ response: CarrierResponse) -> Bool {
        guard let problem = Problem(response) else { return false }
        switch problem.status {
        case 401, 405, 408, 413, 426, 429, 431, 499...: return true
        case 404: return problem.code == "no_such_path"
        case 400: return ["bad_target", "body_broken", "bad_http", "bad_protocol"].contains(problem.code)
        default: return false
        }
    }
}
