import FogCore
import Testing

@testable import FogJobs

@Suite("What inputs ask of a node")
struct InputRequirementTests {
    private static func header(
        wide: Bool = true, little: Bool = true, type: UInt8 = 2, machine: UInt16
    ) -> [UInt8] {
        let (low, high) = (UInt8(machine & 0xff), UInt8(machine >> 8))
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1, 0]
        bytes += [UInt8](repeating: 0, count: 8)
        bytes += little ? [type, 0, low, high] : [0, type, high, low]
        return bytes
    }

    @Test(
        "The machine stands in the header",
        arguments: [
            (header(machine: 62), "x86_64"), (header(machine: 183), "aarch64"),
            (header(wide: false, machine: 3), "i386"), (header(wide: false, machine: 40), "arm"),
            (header(machine: 243), "riscv64"), (header(machine: 21), "ppc64le"),
            (header(little: false, machine: 22), "s390x"), (header(type: 3, machine: 62), "x86_64"),
            (header(machine: 9999), "elf-9999"), (header(type: 1, machine: 62), nil),
            (header(type: 4, machine: 62), nil),
            (Array(header(machine: 62).dropLast()), nil), (Array("#!/bin/sh\n\n\n\n\n\n\n\n\n\n\n".utf8), nil),
            ([], nil),
        ] as [([UInt8], String?)])
    func machine(of bytes: [UInt8], name: String?) { #expect(MachineType.name(ofHeader: bytes) == name) }

    private static func entry(_ path: String, _ machine: String?) -> FileTable.Entry {
        FileTable.Entry(
            path: path, digest: .blake2b(Array(path.utf8)), size: ByteCount(1), isExecutable: true, machine: machine)
    }

    private static let table: FileTable? = try? FileTable([
        "solve": [entry("", "aarch64")], "data": [entry("x.csv", nil)],
        "fat": [entry("arm/lib.so", "aarch64"), entry("intel/lib.so", "x86_64")],
        "old": [entry("", "i386")], "bin": [entry("a", "x86_64"), entry("b", "x86_64")],
        "0": [entry("", "x86_64")], "1": [entry("", "aarch64")],
    ])

    @Test(
        "Programs among the inputs decide where a task can run, the step's own program before all",
        arguments: [
            (#"{"run": "./solve", "inputs": ["solve", "fat"]}"#, "arch:aarch64 for solve"),
            (#"{"command": ["solve"], "inputs": ["solve", "bin"]}"#, "arch:aarch64 for solve"),
            (#"{"command": ["python3", "x"], "inputs": ["bin"]}"#, "arch:x86_64 for bin/a"),
            (#"{"run": "python3 x", "inputs": ["fat"]}"#, "arch:aarch64|x86_64 for fat/arm/lib.so"),
            (#"{"command": ["tools/b"], "inputs": {"tools": "bin", "s": "solve"}}"#, "arch:x86_64 for tools/b"),
            (#"{"run": "./old", "inputs": ["old"]}"#, "arch:i386|i486|i586|i686 for old"),
            (#"{"run": "./p", "array": "0-1", "inputs": {"p": "{index}"}}"#, "arch:x86_64 for p"),
            (#"{"run": "x", "inputs": ["data"]}"#, nil),
            (#"{"run": "./solve", "inputs": ["solve"], "requires": ["arch:x86_64"]}"#, nil),
        ] as [(String, String?)])
    func requirement(manifest: String, wanted: String?) throws {
        let spec = try goodSpec(manifest)
        let found = spec.steps[0].derivedRequirements(files: try #require(Self.table))
        #expect(found.map(\.text) == (wanted.map { [$0] } ?? []))
    }

    @Test("A volume is a requirement, whatever lies below it; its document reads back")
    func volumes() throws {
        let text = #"{"run": "x", "array": "0-3", "inputs": {"ref": "volume:genomes", "part": "volume:set/p{index}"}}"#
        let spec = try goodSpec(text)
        let wanted = ["volume:genomes", "volume:set"]
        #expect(spec.steps[0].derivedRequirements(files: try FileTable([:])).map(\.text) == wanted)
        let again = try #require(try parsed(ManifestDocument(of: spec).json.canonical).spec)
        #expect(again.steps == spec.steps)
        #expect(try LocalInputs(of: spec).paths.isEmpty)
        let third = try Substitution.expand(spec.steps[0], element: 2).inputs.first { $0.name == "part" }
        guard case .volume(let reference)? = try third.map({ try InputSource($0.source) }) else {
            Issue.record("no volume in \(String(describing: third))")
            return
        }
        #expect(reference.name == "set")
        #expect(reference.path == "p2")
    }

    @Test(
        "What cannot be a volume is refused",
        arguments: ["volume:", "volume:A", "volume:a/../b", "volume:a//b", "volume:{index}", "volume:a/\u{1}"])
    func badVolumes(source: String) throws {
        let text = JSON.object([
            "run": "x", "array": "0-1", "inputs": .object([JSON.Member("x", .string(source))]),
        ]).canonical
        #expect(try parsed(text).problems.map(\.code) == ["bad_path"])
    }

    @Test("Requirements are met by the right nodes only")
    func holds() {
        var report = NodeReport(
            name: "n", architecture: "x86_64", cpu: .cores(1), memory: .zero, disk: .zero, volumes: ["genomes"])
        #expect(Requirement.machine(["aarch64", "x86_64"], input: "x").holds(for: report, owner: ""))
        #expect(!Requirement.machine(["aarch64"], input: "x").holds(for: report, owner: ""))
        #expect(Requirement.volume("genomes").holds(for: report, owner: ""))
        report.volumes = []
        #expect(!Requirement.volume("genomes").holds(for: report, owner: ""))
    }

    @Test(
        "A table's names lead nowhere else, stand once, and lie behind no file; the entry is named",
        arguments: [
            (["/etc/x"], "`/etc/x`"), (["../x"], "`../x`"), (["a/../../x"], "`a/../../x`"), (["a//b"], "`a//b`"),
            (["./a"], "`./a`"), (["a/"], "`a/`"), (["a\nb"], "control character"), (["a", "a"], "`a`"),
            (["", "a"], "``"), (["a/b/c", "a/b"], "`a/b/c`"), (["a", "a/b"], "`a/b`"), (["a-b", "a", "a/b"], "`a/b`"),
            (["../\u{301}x"], "combining mark"), (["/\u{301}x"], "combining mark"), (["a/\u{fe0f}b"], "combining mark"),
            ([String(repeating: "x", count: 256)], "255 bytes"),
        ])
    func hostileTables(paths: [String], names: String) {
        let entries = paths.map { FileTable.Entry(path: $0, digest: .zero, size: .zero, isExecutable: false) }
        let failure = #expect(throws: JobsFailure.self) { try FileTable(["site": entries]) }
        #expect(failure?.code == "bad_file_table")
        #expect(failure?.message.contains(names) == true, "\(failure?.message ?? "")")
    }

    @Test("An empty folder of a table reads back; one that is a file too does not")
    func folders() throws {
        let file = FileTable.Entry(path: "a/b", digest: .zero, size: .zero, isExecutable: false, machine: "x86_64")
        let table = try FileTable(["site": [file]], folders: ["site": ["z", "a/empty"]])
        #expect(try FileTable(json: JSON(parsing: table.bytes)) == table)
        #expect(table.emptyFolders(in: "site") == ["a/empty", "z"])
        #expect(table["site"] == [file])
        for path in ["a/b", "../x", "/x", "", "x/", "a//c"] {
            #expect(throws: JobsFailure.self) { try FileTable(["site": [file]], folders: ["site": [path]]) }
        }
        #expect(throws: JobsFailure.self) { try FileTable(["site": [file]], folders: ["site": ["x", "x"]]) }
        #expect(throws: JobsFailure.self) { try FileTable(["site": [file]], folders: ["other": ["x"]]) }
        let strange = FileTable.Entry(path: "a", digest: .zero, size: .zero, isExecutable: false, machine: "A B")
        #expect(throws: JobsFailure.self) { try FileTable(["site": [strange]]) }
    }
}
