import FogCore
import FogJobs
import FogSandbox
import Foundation
import Testing

@testable import FogWorker

@Suite("What a worker's owner shares, and what it finds")
struct VolumeTests {
    private func lease(_ volume: String, _ path: String = "", at name: String = "ref") -> Lease {
        var lease = Sample.lease()
        lease.volumes = [LeaseVolume(name: name, volume: volume, path: path)]
        return lease
    }

    private func withVolume(_ body: (String, SharedVolumes) throws -> Void) throws {
        try withFolder { folder in
            let files = FileManager.default
            for path in ["state", "shared/sub", "private"] {
                try files.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
            }
            try "x".write(toFile: "\(folder)/shared/file", atomically: false, encoding: .utf8)
            try files.createSymbolicLink(atPath: "\(folder)/shared/out", withDestinationPath: "../private")
            try files.createSymbolicLink(atPath: "\(folder)/shared/in", withDestinationPath: "sub")
            try body(folder, try SharedVolumes(["data": "\(folder)/shared"], stateDirectory: "\(folder)/state"))
        }
    }

    @Test("The whole of a volume, a folder or a file of it are bound where the task wants them")
    func binds() throws {
        try withVolume { _, volumes in
            #expect(volumes.names == ["data"])
            let whole = try volumes.inputs(of: lease("data"))
            #expect(whole.map(\.name) == ["ref"])
            #expect(whole[0].hostPath.hasSuffix("/shared"))
            #expect(try volumes.inputs(of: lease("data", "sub"))[0].hostPath.hasSuffix("/shared/sub"))
            #expect(try volumes.inputs(of: lease("data", "file"))[0].hostPath.hasSuffix("/shared/file"))
            #expect(try volumes.inputs(of: lease("data", "in"))[0].hostPath.hasSuffix("/shared/sub"))
            #expect(try volumes.inputs(of: Sample.lease()).isEmpty)
        }
    }

    @Test(
        "What is not shared, not there, or leads out is refused",
        arguments: [
            ("other", "", "ref", "no_volume"), ("data", "gone", "ref", "no_volume"),
            ("data", "out", "ref", "bad_input"),
            ("data", "..", "ref", "bad_input"), ("data", "../private", "ref", "bad_input"),
            ("data", "", "../ref", "bad_input"), ("data", "", "/ref", "bad_input"),
        ])
    func refuses(volume: String, path: String, name: String, code: String) throws {
        try withVolume { _, volumes in
            let failure = #expect(throws: WorkerFailure.self) {
                try volumes.inputs(of: lease(volume, path, at: name))
            }
            #expect(failure?.code == code)
        }
    }

    @Test("A volume that shows the worker's own folder, has no name or is no folder is refused at start")
    func configuration() throws {
        try withVolume { folder, _ in
            for (name, path) in [
                ("data", folder), ("data", "\(folder)/state"), ("data", "/"), ("data", "\(folder)/gone"),
                ("data", "\(folder)/shared/file"), ("Data", "\(folder)/shared"), ("", "\(folder)/shared"),
            ] {
                #expect(throws: WorkerFailure.self, "\(name)=\(path)") {
                    try SharedVolumes([name: path], stateDirectory: "\(folder)/state")
                }
            }
        }
    }

    @Test("A volume whose folder went away is not offered")
    func gone() throws {
        try withVolume { folder, volumes in
            try FileManager.default.removeItem(atPath: "\(folder)/shared")
            #expect(volumes.names.isEmpty)
        }
    }

    @Test(
        "Programs tell their versions in many ways",
        arguments: [
            ("Python 3.11.2", "3.11.2"), ("gcc (Debian 12.2.0-14) 12.2.0", "12.2.0"),
            ("go version go1.21.5 linux/amd64", "1.21.5"),
            ("v18.19.0", "18.19.0"), ("ffmpeg version n7.1 Copyright", "7.1"),
            ("This is perl 5, version 36 (v5.36.0)", "5.36.0"),
            ("openjdk version \"17.0.9\" 2023-10-17", "17.0.9"), ("OpenSSL 3.0.11 19 Sep 2023", "3.0.11"),
            ("no number here", ""),
            ("", ""), ("*** Zstandard CLI (64-bit) v1.5.4, by", "1.5.4"),
        ])
    func versions(text: String, version: String) { #expect(ProgramProbe.version(in: text) == version) }

    @Test("An owner may name more programs, and no paths")
    func programs() {
        #expect(ProgramProbe.mistake(in: ["gmx", "x-2.0", "c++filt"]) == nil)
        for name in ["", "/bin/sh", "../x", "-x", "a b", ".x"] { #expect(ProgramProbe.mistake(in: [name]) != nil) }
        #expect(ProgramProbe.mistake(in: Array(repeating: "x", count: ProgramProbe.maxMore + 1)) != nil)
        let found = ProgramProbe.run(adding: ["sh", "no-such-program"])
        #expect(found["sh"] != nil)
        #expect(found["no-such-program"] == nil)
        #expect(found["tar"]?.isEmpty == false)
    }

    @Test("An empty folder is an input of its own, and clashes like one")
    func folders() {
        #expect(InputName.mistake(in: [.emptyFolder("a"), Sample.input("b")]) == nil)
        #expect(InputName.mistake(in: [.emptyFolder("a"), Sample.input("a")]) != nil)
        #expect(InputName.mistake(in: [.emptyFolder("a/b"), Sample.input("a")]) != nil)
        #expect(InputName.mistake(in: [.emptyFolder("../a")]) != nil)
    }
}
