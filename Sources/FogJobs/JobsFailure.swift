internal import FogCore

/// What `FogJobs` throws: documents that do not hold together, elements that do not exist, values that must not be used.
package struct JobsFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
