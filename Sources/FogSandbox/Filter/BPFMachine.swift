/// Classic BPF as the kernel runs it for seccomp (linux/filter.h, kernel/seccomp.c `seccomp_check_filter`): an
/// independent reading of a compiled filter, to hold against the profile it came from.
package struct BPFMachine: Sendable {
    struct Instruction {
        let code: UInt16
        let whenTrue: UInt8
        let whenFalse: UInt8
        let operand: UInt32
    }

    /// `struct seccomp_data`.
    package struct Call: Sendable {
        package var number: UInt32
        package var architecture: UInt32
        package var arguments: [UInt64]

        package init(number: UInt32, architecture: UInt32, arguments: [UInt64] = [0, 0, 0, 0, 0, 0]) {
            self.number = number
            self.architecture = architecture
            self.arguments = arguments
        }

        /// The 32-bit word at an offset of the structure, little-endian.
        func word(_ offset: UInt32) -> UInt32? {
            switch offset {
            case 0: return number
            case 4: return architecture
            case 8, 12: return 0
            case 16..<64 where offset % 4 == 0:
                let argument = arguments[Int(offset - 16) / 8]
                return offset % 8 == 0
                    ? UInt32(truncatingIfNeeded: argument) : UInt32(truncatingIfNeeded: argument >> 32)
            default: return nil
            }
        }
    }

    private let program: [Instruction]

    /// Nil when the bytes are not whole instructions.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count % 8 == 0, !bytes.isEmpty else { return nil }
        program = stride(from: 0, to: bytes.count, by: 8).map { at in
            let low = UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8
            let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + 4 + $1]) << UInt32(8 * $1) }
            return Instruction(code: low, whenTrue: bytes[at + 2], whenFalse: bytes[at + 3], operand: word)
        }
    }

    package var count: Int { program.count }

    /// What several filters say together, the newest first: the strictest action, and of equals the newest's
    /// (kernel/seccomp.c, `seccomp_run_filters`).
    static func run(_ machines: [BPFMachine], _ call: Call) -> UInt32? {
        func action(_ value: UInt32) -> Int32 { Int32(bitPattern: value & 0xffff_0000) }
        var strictest: UInt32?
        for machine in machines {
            guard let value = machine.run(call) else { return nil }
            if let known = strictest, action(known) <= action(value) { continue }
            strictest = value
        }
        return strictest
    }

    /// The value the filter returns, or nil where it leaves its program or does what seccomp does not allow.
    package func run(_ call: Call) -> UInt32? {
        var (accumulator, index) = (UInt32(0), UInt32(0))
        var memory = [UInt32](repeating: 0, count: 16)
        var at = 0
        // Jumps go forward only, so this ends.
        while at < program.count {
            let step = program[at]
            at += 1
            switch step.code & 0x07 {
            case 0x00:  // load
                guard let value = load(step, call, memory) else { return nil }
                accumulator = value
            case 0x01:
                guard let value = load(step, call, memory) else { return nil }
                index = value
            case 0x02, 0x03:  // store
                guard step.operand < 16 else { return nil }
                memory[Int(step.operand)] = step.code & 0x07 == 0x02 ? accumulator : index
            case 0x04:
                guard let value = compute(step, accumulator, index) else { return nil }
                accumulator = value
            case 0x05:
                guard let jump = jump(step, accumulator, index) else { return nil }
                at += jump
            case 0x06:
                return step.code & 0x18 == 0x10 ? accumulator : step.operand
            default:  // tax, txa
                if step.code & 0xf8 == 0x80 { accumulator = index } else { index = accumulator }
            }
        }
        return nil
    }

    private func load(_ step: Instruction, _ call: Call, _ memory: [UInt32]) -> UInt32? {
        switch step.code & 0xf8 {
        case 0x20: call.word(step.operand)  // BPF_W | BPF_ABS
        case 0x00: step.operand  // BPF_IMM
        case 0x60: step.operand < 16 ? memory[Int(step.operand)] : nil  // BPF_MEM
        case 0x80: 64  // BPF_LEN: sizeof(struct seccomp_data)
        default: nil
        }
    }

    private func compute(_ step: Instruction, _ accumulator: UInt32, _ index: UInt32) -> UInt32? {
        let value = step.code & 0x08 != 0 ? index : step.operand
        switch step.code & 0xf0 {
        case 0x00: return accumulator &+ value
        case 0x10: return accumulator &- value
        case 0x20: return accumulator &* value
        case 0x30: return value == 0 ? 0 : accumulator / value
        case 0x40: return accumulator | value
        case 0x50: return accumulator & value
        case 0x60: return value < 32 ? accumulator << value : 0
        case 0x70: return value < 32 ? accumulator >> value : 0
        case 0x80: return 0 &- accumulator
        case 0xa0: return accumulator ^ value
        default: return nil
        }
    }

    private func jump(_ step: Instruction, _ accumulator: UInt32, _ index: UInt32) -> Int? {
        let value = step.code & 0x08 != 0 ? index : step.operand
        let holds: Bool
        switch step.code & 0xf0 {
        case 0x00: return Int(step.operand)
        case 0x10: holds = accumulator == value
        case 0x20: holds = accumulator > value
        case 0x30: holds = accumulator >= value
        case 0x40: holds = accumulator & value != 0
        default: return nil
        }
        return Int(holds ? step.whenTrue : step.whenFalse)
    }
}
