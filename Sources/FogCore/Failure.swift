/// An error with a stable code that callers switch on and a message that people read.
///
/// Each module has one type that conforms. The code travels unchanged from the module through the API's error
/// document (RFC 9457) to the command line.
package protocol CodedFailure: Error, Sendable, CustomStringConvertible {
    /// Stable, snake_case, never translated: `stale_lease`, `insufficient_funds`.
    var code: String { get }
    /// One sentence that names the thing, what was found and what was wanted.
    var message: String { get }
}

extension CodedFailure {
    package var description: String { "\(message) (\(code))" }
}

/// What `FogCore` throws: text that does not parse, bytes that do not decode, keys that do not fit.
package struct CoreFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
