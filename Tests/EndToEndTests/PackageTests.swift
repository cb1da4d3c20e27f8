import Foundation
import Testing

extension EndToEnd {
    /// What other machines get.
    @Suite("Packages")
    struct PackageTests {
        private static func run(_ words: String..., environment: [String: String]? = nil) async throws -> Child.End {
            try await Child("/usr/bin/env", words, environment: environment ?? ProcessInfo.processInfo.environment)
                .end(within: .seconds(300))
        }

        @Test("The archive and the .deb hold a fog that runs, and the archive comes from a coordinator by its script")
        func packed() async throws {
            let folder = try TemporaryFolder()
            let out = "\(folder.path)/out"
            let binaries = URL(filePath: Places.fog).deletingLastPathComponent().path
            let made = try await Self.run(
                "bash", "\(Places.root)/Scripts/package", "--out", out, "--binaries", binaries, "--strip", "--level",
                "1")
            #expect(made.status == 0, "\(made.output)\(made.errors)")
            let names = try FileManager.default.contentsOfDirectory(atPath: out).sorted()
            let archive = try #require(names.first { $0.hasSuffix(".tar.gz") })
            let deb = try #require(names.first { $0.hasSuffix(".deb") })
            #expect(try await Self.run("sh", "-c", "cd \(out) && sha256sum --check --quiet SHA256SUMS").status == 0)
            let version = try await Self.run(Places.fog, "--version").output

            let root = "\(folder.path)/root"
            #expect(try await Self.run("dpkg-deb", "-x", "\(out)/\(deb)", root).status == 0)
            #expect(try await Self.run("\(root)/usr/bin/fog", "--version").output == version)
            for path in [
                "lib/systemd/system/fog-worker.service", "lib/systemd/system/fog-coordinator.service",
                "usr/share/fog/sandbox-profiles/default.json", "usr/share/fog/monitoring/prometheus-alerts.yml",
                "usr/share/doc/fog/Operating.md", "usr/bin/fog-sandbox", "etc/apparmor.d/fog-sandbox",
                "usr/share/fog/apparmor/fog-sandbox", "usr/share/polkit-1/rules.d/60-fog.rules",
            ] { #expect(FileManager.default.fileExists(atPath: "\(root)/\(path)"), "\(path)") }

            let coordinator = try Child(
                Places.fog, ["coordinator", "run", "--listen", "127.0.0.1:0", "--install-files", out],
                environment: Cloud.environment(home: "\(folder.path)/operator"))
            let line = try await coordinator.line(within: Cloud.patience) { $0.hasPrefix("ready ") }
            let url = String(line.dropFirst("ready ".count))
            let script = try await Self.run("curl", "-fsS", "\(url)/install.sh")
            let path = try folder.write(script.output, to: "install.sh")
            let target = "\(folder.path)/target"
            let installed = try await Self.run("sh", path, target)
            #expect(installed.status == 0, "\(installed.output)\(installed.errors)")
            #expect(try await Self.run("\(target)/bin/fog", "--version").output == version)
            // What does not fit its digest is not installed.
            let file = try FileHandle(forUpdating: URL(filePath: "\(out)/\(archive)"))
            try file.seek(toOffset: 1000)
            try file.write(contentsOf: Data([0xff, 0x00, 0xff, 0x00]))
            try file.close()
            let refused = try await Self.run("sh", path, "\(folder.path)/never")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("nothing was installed"))
            #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/never"))
            coordinator.signal(SIGTERM)
            #expect(try await coordinator.end(within: Cloud.patience).status == 0)
        }
    }
}
