package import FogCore

/// For which machine a program was built, by the first bytes of its file.
///
/// ELF header: System V Application Binary Interface, chapter 4; numbers of machines as in Linux's `elf-em.h`.
package enum MachineType {
    /// Enough of a file to tell.
    package static let headerBytes = 20

    /// The machine of an executable or shared library, as `uname -m` names it on the plainest kernel that runs it
    /// (`elf-N` for a machine without a name here); nil for bytes that are neither.
    package static func name(ofHeader bytes: some Collection<UInt8>) -> String? {
        let header = Array(bytes.prefix(headerBytes))
        guard header.count == headerBytes, header.starts(with: [0x7f, 0x45, 0x4c, 0x46]),
            (1...2).contains(header[4]), (1...2).contains(header[5])
        else { return nil }
        let (isWide, isLittle) = (header[4] == 2, header[5] == 1)
        func number(_ place: Int) -> Int {
            let (first, second) = (Int(header[place]), Int(header[place + 1]))
            return isLittle ? first | second << 8 : first << 8 | second
        }
        // An object file or a core dump runs nowhere by itself.
        guard [2, 3].contains(number(16)) else { return nil }
        return name(machine: number(18), isWide: isWide, isLittle: isLittle)
    }

    private static func name(machine: Int, isWide: Bool, isLittle: Bool) -> String {
        switch machine {
        case 3: "i386"
        case 62: "x86_64"
        case 40: "arm"
        case 183: isLittle ? "aarch64" : "aarch64_be"
        case 243: isWide ? "riscv64" : "riscv32"
        case 21: isLittle ? "ppc64le" : "ppc64"
        case 22: isWide ? "s390x" : "s390"
        case 258: isWide ? "loongarch64" : "loongarch32"
        case 8: (isWide ? "mips64" : "mips") + (isLittle ? "el" : "")
        default: "elf-\(machine)"
        }
    }

    /// Architectures, as nodes report them, on which tasks may run such a program. The sandbox lets no program of
    /// another machine type run, a 32-bit one on a 64-bit kernel neither.
    package static func architectures(running machine: String) -> [String] {
        switch machine {
        case "i386": ["i386", "i486", "i586", "i686"]
        case "arm": ["armv6l", "armv7l"]
        default: [machine]
        }
    }

    static func isName(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f || $0 == 0x2d
            }
    }
}

extension StepSpec {
    /// What a node must have because of what the step reads: its volumes, and the machine its programs are for.
    ///
    /// When the step's own program is an input, that file alone decides. Else every program and shared library among the
    /// inputs counts; a folder that has them for several machines may run on any of these. A manifest that says `arch:`
    /// itself is believed.
    package func derivedRequirements(files: FileTable) -> [Requirement] {
        var volumes: Set<String> = []
        for input in inputs {
            // The name of a volume has no places, so the template's is every element's.
            if let reference = VolumeReference(source: input.source) { volumes.insert(reference.name) }
        }
        let named = requires.contains { if case .architecture = $0 { true } else { false } }
        let machine = named || !files.hasMachines ? nil : machineRequirement(files)
        return volumes.sorted().map { .volume($0) } + (machine.map { [$0] } ?? []) + protocolRequirement
    }

    /// Keys of a lease that a worker of protocol 1 does not know and would silently leave out.
    private var protocolRequirement: [Requirement] {
        let keys = (image == .host ? [] : ["images"]) + (secrets.isEmpty ? [] : ["secrets"])
        return keys.isEmpty ? [] : [.protocolVersion(2, for: keys.joined(separator: " and "))]
    }

    private func machineRequirement(_ files: FileTable) -> Requirement? {
        let program = programName
        var machines: [String: String] = [:]
        for input in inputs {
            for source in (try? Substitution.distinct(input.source, over: elements)) ?? [] {
                for entry in files[source] ?? [] {
                    guard let machine = entry.machine else { continue }
                    let name = entry.path.isEmpty ? input.name : input.name + "/" + entry.path
                    if name == program {
                        return .machine(MachineType.architectures(running: machine), input: name)
                    }
                    machines[machine] = min(machines[machine] ?? name, name)
                }
            }
        }
        guard !machines.isEmpty else { return nil }
        let names = Set(machines.keys.flatMap { MachineType.architectures(running: $0) }).sorted()
        // One name says enough: each machine has its own first file.
        return .machine(names, input: machines.values.min() ?? "")
    }

    /// The first word of the command, as a name below the work folder.
    private var programName: String {
        let word: String
        switch action {
        case .command(let words): word = words.first ?? ""
        case .run(let text): word = text.split { $0.isWhitespace }.first.map(String.init) ?? ""
        }
        return WorkPath.withoutDot(word)
    }
}
