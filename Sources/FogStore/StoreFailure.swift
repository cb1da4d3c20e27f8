internal import FogCore

/// The storage failed; what was asked did not happen.
package struct StoreFailure: CodedFailure, Equatable {
    /// `disk_full`, `read_only`, `corrupt`, `newer_schema`, `locked`, `overloaded`, `io`, `unexpected`; of the files
    /// beside the database also `bad_name`, `bad_digest`, `too_large`, `wrong_offset`, `not_found`.
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
