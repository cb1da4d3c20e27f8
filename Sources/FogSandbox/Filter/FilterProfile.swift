/// The system calls of a profile, in the shape of the OCI runtime specification (config-linux.md, "Seccomp").
package struct FilterProfile: Sendable, Hashable {
    package enum Action: Sendable, Hashable {
        case allow
        case refuse(errno: UInt16)
        case killProcess

        /// SECCOMP_RET_* of linux/seccomp.h.
        var value: UInt32 {
            switch self {
            case .allow: 0x7fff_0000
            case .refuse(let errno): 0x0005_0000 | UInt32(errno)
            case .killProcess: 0x8000_0000
            }
        }
    }

    package enum Operation: String, Sendable {
        case notEqual = "SCMP_CMP_NE"
        case less = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greater = "SCMP_CMP_GT"
        /// (argument & value) == valueTwo.
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }

    /// A condition on one argument, as 64 unsigned bits.
    package struct Comparison: Sendable, Hashable {
        package let index: Int
        package let operation: Operation
        package let value: UInt64
        package let valueTwo: UInt64

        /// An argument with which it holds, where there is one.
        var example: UInt64 {
            switch operation {
            case .notEqual: value ^ 1
            case .less: value &- 1
            case .lessOrEqual, .equal, .greaterOrEqual: value
            case .greater: value &+ 1
            case .maskedEqual: valueTwo
            }
        }

        func holds(_ argument: UInt64) -> Bool {
            switch operation {
            case .notEqual: argument != value
            case .less: argument < value
            case .lessOrEqual: argument <= value
            case .equal: argument == value
            case .greaterOrEqual: argument >= value
            case .greater: argument > value
            case .maskedEqual: argument & value == valueTwo
            }
        }
    }

    /// The action for one call when all comparisons hold. Several rules for one call are alternatives.
    package struct Rule: Sendable, Hashable {
        package let name: String
        package let action: Action
        package let comparisons: [Comparison]
    }

    package var defaultAction: Action = .refuse(errno: 1)
    /// SCMP_ARCH_…; the machine's own must be among them, and only that one is loaded.
    package var architectures: [String] = []
    package var rules: [Rule] = []

    package init() {}
}
