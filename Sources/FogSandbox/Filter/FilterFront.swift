import Glibc

/// The instructions before libseccomp's own program: what is allowed whatever its arguments is answered here, by a
/// search over ranges of numbers. The kernel translates a filter for each task anew, so one a quarter as long starts
/// each of them sooner; libseccomp has one instruction or two a call, and these are most calls.
struct FilterFront {
    /// `struct sock_filter` after another; what it does not answer goes on to the program that follows.
    let bytes: [UInt8]

    private struct Instruction {
        var code: UInt16
        var whenTrue: Target
        var whenFalse: Target
        var operand: UInt32
    }

    /// Where a jump goes.
    private enum Target: Equatable {
        case next
        /// So many instructions further.
        case skip(Int)
        case allow, unknown, rest
    }

    // linux/bpf_common.h.
    private static let (load, equal, atLeast, above, answer) = (
        UInt16(0x20), UInt16(0x15), UInt16(0x35), UInt16(0x25), UInt16(0x06)
    )

    /// - Parameters:
    ///   - highest: beyond it a call is not there (ENOSYS), so that newer C libraries fall back to older calls. Other
    ///     architectures and x32 go on to libseccomp, which kills.
    ///   - allowing: numbers up to `highest`.
    /// - Returns: nil when there are too many ranges for a jump, which holds 8 bits.
    init?(_ architecture: UInt32, highest: UInt32, allowing: Set<UInt32>) {
        var program = [
            Instruction(code: Self.load, whenTrue: .next, whenFalse: .next, operand: 4),
            Instruction(code: Self.equal, whenTrue: .next, whenFalse: .rest, operand: architecture),
            Instruction(code: Self.load, whenTrue: .next, whenFalse: .next, operand: 0),
            Instruction(code: Self.atLeast, whenTrue: .rest, whenFalse: .next, operand: FilterCompiler.x32Bit),
            Instruction(code: Self.above, whenTrue: .unknown, whenFalse: .next, operand: highest),
        ]
        program += Self.search(Self.borders(allowing.filter { $0 <= highest })[...], isInside: false)
        let enosys = FilterProfile.Action.refuse(errno: UInt16(ENOSYS)).value
        let answers = [enosys, FilterProfile.Action.allow.value]
        let end = program.count
        var bytes: [UInt8] = []
        for (at, instruction) in program.enumerated() {
            func offset(_ target: Target) -> UInt8? {
                switch target {
                case .next: 0
                case .skip(let count): UInt8(exactly: count)
                case .unknown: UInt8(exactly: end - at - 1)
                case .allow: UInt8(exactly: end - at)
                case .rest: UInt8(exactly: end + answers.count - at - 1)
                }
            }
            guard let whenTrue = offset(instruction.whenTrue), let whenFalse = offset(instruction.whenFalse) else {
                return nil
            }
            bytes += Self.encode(instruction.code, whenTrue, whenFalse, instruction.operand)
        }
        for value in answers { bytes += Self.encode(Self.answer, 0, 0, value) }
        self.bytes = bytes
    }

    /// The numbers at which being allowed begins or ends, ascending.
    private static func borders(_ numbers: Set<UInt32>) -> [UInt32] {
        var borders: [UInt32] = []
        for number in numbers.sorted() {
            if borders.last == number { borders.removeLast() } else { borders.append(number) }
            borders.append(number + 1)
        }
        return borders
    }

    /// A binary search; `isInside` says what holds below the first border.
    private static func search(_ borders: ArraySlice<UInt32>, isInside: Bool) -> [Instruction] {
        guard !borders.isEmpty else {
            // Only where nothing at all is allowed: on to what follows.
            return [Instruction(code: atLeast, whenTrue: .rest, whenFalse: .rest, operand: 0)]
        }
        let middle = borders.startIndex + borders.count / 2
        let (lower, upper) = (borders[..<middle], borders[(middle + 1)...])
        let isInsideMiddle = isInside == lower.count.isMultiple(of: 2)
        let below = lower.isEmpty ? [] : search(lower, isInside: isInside)
        let above = upper.isEmpty ? [] : search(upper, isInside: !isInsideMiddle)
        func leaf(_ isInside: Bool) -> Target { isInside ? .allow : .rest }
        let node = Instruction(
            code: atLeast, whenTrue: upper.isEmpty ? leaf(!isInsideMiddle) : .skip(below.count),
            whenFalse: lower.isEmpty ? leaf(isInsideMiddle) : .next, operand: borders[middle])
        return [node] + below + above
    }

    private static func encode(_ code: UInt16, _ whenTrue: UInt8, _ whenFalse: UInt8, _ operand: UInt32) -> [UInt8] {
        [UInt8(code & 0xff), UInt8(code >> 8), whenTrue, whenFalse]
            + (0..<4).map { UInt8(truncatingIfNeeded: operand >> UInt32(8 * $0)) }
    }
}
