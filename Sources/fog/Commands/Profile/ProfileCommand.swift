internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogSandbox

/// `fog profile`: what sandboxes allow.
struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "profile", "Read, check and compare sandbox profiles.",
        examples: ["fog profile list", "fog profile explain default", "fog profile check my-profile.json"],
        subcommands: [
            ProfileList.self, ProfileShow.self, ProfileCheck.self, ProfileExplain.self, ProfileDiff.self,
        ])
}

/// A profile by its name among those installed, or by its file.
enum ProfileArgument {
    static let help = "A profile's name, or its file (with a `/` or `.json`)."

    /// - Throws: `unknown_profile`, `bad_profile`, `no_profiles`.
    static func load(_ text: String, _ session: Session) throws -> SandboxProfile {
        if text.contains("/") || text.hasSuffix(".json") {
            // A file may stand alone; what it extends may be beside it or installed.
            let installed = try? ProfileFolder.locate(environment: session.environment)
            return try SandboxProfile.load(file: Disk.absolute(text), parents: installed.map { [$0] } ?? [])
        }
        return try SandboxProfile.load(named: text, from: ProfileFolder.locate(environment: session.environment))
    }
}

/// `fog profile list`: a line a profile.
struct ProfileList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the profiles of this installation.", examples: ["fog profile list", "fog profile list -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let folder = try ProfileFolder.locate(environment: session.environment)
        var documents: [JSON] = []
        var table = Table([
            .init("NAME"), .init("PIDS", right: true), .init("FILES", right: true), .init("NETWORK"),
            .init("DESCRIPTION", yields: true),
        ])
        for name in SandboxProfile.names(in: folder) {
            do {
                let profile = try SandboxProfile.load(named: name, from: folder)
                documents.append(ProfileDocument.summary(profile))
                table.add([
                    Table.Cell(name), "\(profile.limits.pids)", "\(profile.limits.descriptors)",
                    Table.Cell(profile.network.rawValue), Table.Cell(profile.description),
                ])
            } catch {
                // One bad file must not hide the others.
                documents.append(.object(["name": .string(name), "error": .string(error.message)]))
                table.add([Table.Cell(name), "", "", "", Table.Cell(error.message, .bad)])
            }
        }
        switch session.mode {
        case .json: session.console.print(.array(documents))
        case .quiet: for name in SandboxProfile.names(in: folder) { session.console.print(name) }
        case .table: session.console.print(table)
        }
    }
}

/// `fog profile show`: a profile with everything it inherits put in.
struct ProfileShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show a profile as JSON, with everything it inherits put in.",
        examples: ["fog profile show python", "fog profile show ./mine.json"],
        more: "The digest of this document, in canonical form, stands in every receipt.")

    @Argument(help: ArgumentHelp(ProfileArgument.help))
    var profile: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let profile = try ProfileArgument.load(profile, session)
        if session.mode == .quiet { return session.console.print(profile.digest.description) }
        session.console.print(profile.document)
    }
}

/// `fog profile check`: whether a file is a profile, and what in it is dangerous.
struct ProfileCheck: SessionCommand {
    static let configuration = CommandConfiguration(
        "check", "Check a profile: reads it, compiles its filter, holds the filter against it, and names dangers.",
        examples: [
            "fog profile check my-profile.json", "fog profile check my-profile.json --bpf filter.bpf",
            "fog profile check default --strict",
        ],
        more: """
            Exit 0: it can be used, whatever stands in the warnings; 1: it cannot, or --strict and there are warnings. The \
            file of --bpf holds `struct sock_filter` after another, as seccomp(2) and `bwrap --seccomp` take it.
            """)

    @Argument(help: ArgumentHelp(ProfileArgument.help), completion: .file())
    var profile: String

    @Option(help: "Write the compiled filter to this file.", completion: .file())
    var bpf: String?

    @Flag(help: "Fail on warnings too.")
    var strict = false

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let profile = try ProfileArgument.load(profile, session)
        let filter = try FilterCompiler.compile(profile)
        if let bpf { try Disk.write(filter.bytes, to: bpf) }
        let findings = ProfileLint(profile).findings
        switch session.mode {
        case .json:
            session.console.print(
                .object([
                    "name": .string(profile.name), "digest": .string(profile.digest.description),
                    "instructions": .integer(Int64(filter.instructions)),
                    "warnings": .array(
                        findings.map { .object(["place": .string($0.place), "words": .string($0.words)]) }),
                ]))
        case .quiet: for finding in findings { session.console.print(finding.place) }
        case .table:
            for finding in findings { session.console.print("\(profile.name).json:\(finding.place) \(finding.words)") }
            session.console.print(
                "\(profile.name): \(filter.instructions) instructions do what the profile says; "
                    + (findings.isEmpty ? "no warnings" : Human.count(findings.count, "warning")))
        }
        if strict, !findings.isEmpty { throw ExitCode.failure }
    }
}

/// `fog profile explain`: what a task may do, in words.
struct ProfileExplain: SessionCommand {
    static let configuration = CommandConfiguration(
        "explain", "Say in words what a profile allows.",
        examples: ["fog profile explain default", "fog profile explain ./mine.json -o json"])

    @Argument(help: ArgumentHelp(ProfileArgument.help), completion: .file())
    var profile: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let profile = try ProfileArgument.load(profile, session)
        let sections = ProfileWords(profile).sections
        if session.mode == .json {
            return session.console.print(
                .object(
                    [
                        JSON.Member("name", .string(profile.name)),
                        JSON.Member("description", .string(profile.description)),
                    ] + sections.map { JSON.Member($0.title, .array($0.lines.map(JSON.string))) }))
        }
        session.console.print("\(profile.name): \(profile.description)")
        for section in sections {
            session.console.print("\n\(section.title)")
            for line in section.lines { session.console.print("  \(line)") }
        }
    }
}

/// `fog profile diff`: what a second profile says otherwise.
struct ProfileDiff: SessionCommand {
    static let configuration = CommandConfiguration(
        "diff", "Show what a second profile says otherwise than a first.",
        examples: ["fog profile diff default python", "fog profile diff default ./mine.json -o json"],
        more: "Exit 0: they say the same; 1: they do not.")

    @Argument(help: ArgumentHelp(ProfileArgument.help), completion: .file())
    var first: String

    @Argument(help: ArgumentHelp(ProfileArgument.help), completion: .file())
    var second: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let changes = ProfileDifference(
            try ProfileArgument.load(first, session), try ProfileArgument.load(second, session)
        ).changes
        switch session.mode {
        case .json:
            session.console.print(
                .array(
                    changes.map {
                        .object([
                            "place": .string($0.place), "first": $0.first.map(JSON.string),
                            "second": $0.second.map(JSON.string),
                        ])
                    }))
        case .quiet: for change in changes { session.console.print(change.place) }
        case .table:
            for change in changes {
                session.console.print(change.place)
                if let first = change.first { session.console.print("  - \(first)") }
                if let second = change.second { session.console.print("  + \(second)") }
            }
        }
        if !changes.isEmpty { throw ExitCode.failure }
    }
}

private enum ProfileDocument {
    static func summary(_ profile: SandboxProfile) -> JSON {
        .object([
            "name": .string(profile.name), "description": .string(profile.description),
            "digest": .string(profile.digest.description), "isolation": .string(profile.isolated ? "full" : "none"),
            "network": .string(profile.network.rawValue),
            "require": .array(profile.require.sorted().map { .string($0.rawValue) }),
            "limits": .object([
                "pids": .integer(Int64(profile.limits.pids)), "nofile": .integer(Int64(profile.limits.descriptors)),
                "files": .integer(Int64(profile.limits.files)),
                "stdout_bytes": .integer(profile.limits.standardOutputBytes.bytes),
                "tmp_bytes": .integer(profile.limits.temporaryBytes.bytes),
            ]),
        ])
    }
}
