internal import FogCore

/// What `FogMixnet` throws.
package struct MixnetFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
