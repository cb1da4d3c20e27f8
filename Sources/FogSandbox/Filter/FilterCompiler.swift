import CFog
import CSeccomp
import FogCore
import Glibc

/// A seccomp program that was compiled by libseccomp and then read back against its profile.
package struct CompiledFilter: Sendable, Hashable {
    /// The whole of it: `struct sock_filter` after another.
    package let bytes: [UInt8]
    /// The same in two parts, which the kernel joins: a launcher puts on the first itself, so that its tasks inherit it
    /// ready translated, and each task only the second. The first allows whatever ``SetupCalls`` names, the second holds
    /// what the profile says of those. Empty where only the whole is wanted.
    let shared: [UInt8]
    let own: [UInt8]
    /// The architecture it is for (AUDIT_ARCH_*).
    package let architecture: UInt32
    /// The highest system call number libseccomp knows; beyond it a call is answered with ENOSYS, so that newer C
    /// libraries fall back to older calls.
    package let highestKnown: UInt32

    init(bytes: [UInt8], shared: [UInt8] = [], own: [UInt8] = [], architecture: UInt32, highestKnown: UInt32) {
        (self.bytes, self.shared, self.own) = (bytes, shared, own)
        (self.architecture, self.highestKnown) = (architecture, highestKnown)
    }

    package var instructions: Int { bytes.count / 8 }
}

/// Compiles profiles with libseccomp.
package enum FilterCompiler {
    /// Numbers from here on are of the x32 ABI on x86-64.
    static let x32Bit: UInt32 = 0x4000_0000
    private static let maxNumber: Int32 = 1023

    /// - Throws: `bad_profile` for an unknown call or two actions for one call; `filter_mismatch` when the compiled
    ///   program does not do what the profile says (libseccomp has merged 64-bit comparisons wrongly before:
    ///   GHSA-4q85-33p6-j5g6).
    package static func compile(_ profile: SandboxProfile) throws(SandboxFailure) -> CompiledFilter {
        let filter = profile.filter
        let architecture = seccomp_arch_native()
        guard filter.architectures.contains(where: { Self.token($0) == architecture }) else {
            throw SandboxFailure(
                "bad_profile", "\(profile.name).json: `architectures` does not name this machine's")
        }
        let numbered = try number(filter, profile: profile.name)
        let compiled = try compile(filter.defaultAction, numbered, architecture)
        try FilterCheck(filter: compiled, rules: numbered, defaultAction: filter.defaultAction).run(profile.name)
        return compiled
    }

    private static func compile(
        _ defaultAction: FilterProfile.Action, _ rules: [UInt32: [FilterProfile.Rule]], _ architecture: UInt32
    ) throws(SandboxFailure) -> CompiledFilter {
        let highest = highestKnown(architecture)
        // What is allowed whatever its arguments, where that is not the default already.
        let allowed =
            defaultAction == .allow
            ? [] : Set(rules.filter { $0.value.allSatisfy { $0.action == .allow && $0.comparisons.isEmpty } }.keys)
        func program(allowing: Set<UInt32>, _ rules: [UInt32: [FilterProfile.Rule]]) throws(SandboxFailure) -> [UInt8] {
            if let front = FilterFront(architecture, highest: highest, allowing: allowing) {
                let rest = rules.filter { !allowing.contains($0.key) }
                return front.bytes + (try export(defaultAction, rest, architecture))
            }
            // Too many ranges for its jumps: all calls are left to libseccomp.
            let short = FilterFront(architecture, highest: highest, allowing: [])
            return (short?.bytes ?? []) + (try export(defaultAction, rules, architecture))
        }
        let bytes = try program(allowing: allowed, rules)
        let setup = SetupCalls.numbers.subtracting(allowed).filter { $0 <= highest }
        let others = Set(0...highest).subtracting(setup)
        guard FilterFront(architecture, highest: highest, allowing: others) != nil,
            FilterFront(architecture, highest: highest, allowing: allowed.union(setup)) != nil
        else { return CompiledFilter(bytes: bytes, architecture: architecture, highestKnown: highest) }
        return CompiledFilter(
            bytes: bytes, shared: try program(allowing: allowed.union(setup), rules),
            own: try program(allowing: others, rules), architecture: architecture, highestKnown: highest)
    }

    /// Names that libseccomp knows on no architecture: newer than it, or misspelt.
    package static func unknownNames(_ filter: FilterProfile) -> [String] {
        Set(filter.rules.map(\.name)).filter { seccomp_syscall_resolve_name($0) == -1 }.sorted()
    }

    /// Rules by the machine's numbers; calls this architecture does not have are left out, and so are those that nobody
    /// knows, as long as they stay refused that way.
    static func number(
        _ filter: FilterProfile, profile: String
    ) throws(SandboxFailure) -> [UInt32: [FilterProfile.Rule]] {
        var numbered: [UInt32: [FilterProfile.Rule]] = [:]
        for rule in filter.rules {
            let number = seccomp_syscall_resolve_name(rule.name)
            if number == -1, rule.action == .allow, filter.defaultAction != .allow { continue }
            guard number != -1 else {
                throw SandboxFailure("bad_profile", "\(profile).json: no system call `\(rule.name)` in libseccomp")
            }
            guard number >= 0 else { continue }
            var existing = numbered[UInt32(number)] ?? []
            // With conditions they may differ; where both hold, the check of the compiled filter finds the quarrel.
            guard
                existing.allSatisfy({
                    $0.action == rule.action || !$0.comparisons.isEmpty && !rule.comparisons.isEmpty
                })
            else {
                throw SandboxFailure("bad_profile", "\(profile).json: `\(rule.name)` has two different actions")
            }
            if !existing.contains(where: { $0.comparisons == rule.comparisons }) { existing.append(rule) }
            // A rule without a condition makes the others idle, and libseccomp need not see them.
            numbered[UInt32(number)] = existing.first { $0.comparisons.isEmpty }.map { [$0] } ?? existing
        }
        return numbered
    }

    private static func export(
        _ defaultAction: FilterProfile.Action, _ rules: [UInt32: [FilterProfile.Rule]], _ architecture: UInt32
    ) throws(SandboxFailure) -> [UInt8] {
        guard let context = seccomp_init(defaultAction.value) else {
            throw SandboxFailure("filter_failed", "libseccomp could not start a filter")
        }
        defer { seccomp_release(context) }
        seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, FilterProfile.Action.killProcess.value)
        // 2: a binary tree over the numbers instead of a list; older libraries refuse, which costs speed only.
        seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        for (number, rules) in rules.sorted(by: { $0.key < $1.key }) {
            for rule in rules where rule.action != defaultAction {
                let comparisons = rule.comparisons.map(\.native)
                let result = seccomp_rule_add_array(
                    context, rule.action.value, Int32(number), UInt32(comparisons.count), comparisons)
                guard result == 0 else {
                    let words = String(cString: strerror(-result))
                    throw SandboxFailure("filter_failed", "libseccomp refused the rule for `\(rule.name)`: \(words)")
                }
            }
        }
        let file = fog_memory_file("filter")
        guard file >= 0 else { throw SandboxFailure("filter_failed", "no memory file for the filter") }
        defer { close(file) }
        guard seccomp_export_bpf(context, file) == 0, lseek(file, 0, SEEK_SET) == 0,
            let bytes = Files.read(descriptor: file, max: 8 * 65536), !bytes.isEmpty
        else { throw SandboxFailure("filter_failed", "libseccomp could not export the filter") }
        return bytes
    }

    private static func highestKnown(_ architecture: UInt32) -> UInt32 {
        for number in stride(from: maxNumber, through: 0, by: -1) {
            guard let name = seccomp_syscall_resolve_num_arch(architecture, number) else { continue }
            free(name)
            return UInt32(number)
        }
        return 0
    }

    private static func token(_ name: String) -> UInt32 {
        seccomp_arch_resolve_name(name.dropFirst("SCMP_ARCH_".count).lowercased())
    }
}

extension FilterProfile.Comparison {
    fileprivate var native: scmp_arg_cmp {
        let operation =
            switch operation {
            case .notEqual: SCMP_CMP_NE
            case .less: SCMP_CMP_LT
            case .lessOrEqual: SCMP_CMP_LE
            case .equal: SCMP_CMP_EQ
            case .greaterOrEqual: SCMP_CMP_GE
            case .greater: SCMP_CMP_GT
            case .maskedEqual: SCMP_CMP_MASKED_EQ
            }
        return scmp_arg_cmp(arg: UInt32(index), op: operation, datum_a: value, datum_b: valueTwo)
    }
}
