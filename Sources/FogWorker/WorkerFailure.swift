import FogCore

/// What `FogWorker` throws: content that is not what its digest says, a folder that cannot be written, a name that
/// leads elsewhere.
///
/// How a task ends is never an error here; it is an outcome in a report.
package struct WorkerFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
