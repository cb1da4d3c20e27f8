internal import FogCore
package import FogJobs
internal import FogManifestFile
internal import Glibc

/// A command line that is to run somewhere else, as a job of one task.
package struct RunRequest: Sendable {
    package var command: [String]
    /// Files and folders to send along: `PATH`, or `NAME=PATH` to give it another name there.
    package var inputs: [String] = []
    package var outputs: [String] = []
    /// `NAME=VALUE`, or `NAME` for the value it has here.
    package var environment: [String] = []
    package var requirements: [String] = []
    /// Names of secrets, as files.
    package var secrets: [String] = []
    package var image: String?
    package var name: String?
    package var profile: String?
    package var cpu: String?
    package var memory: String?
    package var disk: String?
    package var time: String?
    /// A file with what was piped in.
    package var standardInput: String?

    /// Where piped input lies in the work folder.
    private static let standardInputName = ".fog-stdin"

    package init(command: [String]) { self.command = command }

    /// A job to submit.
    package struct Prepared: Sendable {
        package let spec: JobSpec
        /// Real paths of sources that do not lie where their name says.
        package let places: [String: String]
    }

    /// - Parameter folder: what relative paths are relative to.
    /// - Parameter variables: this process's environment.
    /// - Throws: `no_command`, `bad_input`, `bad_env`, or what the manifest's rules say, named by its key.
    package func prepared(folder: String, variables: [String: String]) throws -> Prepared {
        guard let program = command.first, !program.isEmpty else {
            throw CommandLineFailure(
                "no_command", "there is nothing to run", help: "fog run -- echo hi", status: .usage)
        }
        var words = command
        var inputs: [(name: String, source: String)] = try self.inputs.map { try Self.input($0, folder: folder) }
        if let sent = Self.localProgram(program, folder: folder) {
            words[0] = "./" + sent.name
            if !inputs.contains(where: { $0.name == sent.name }) { inputs.append(sent) }
        }
        var places: [String: String] = [:]
        if let standardInput {
            inputs.append((Self.standardInputName, Self.standardInputName))
            places[Self.standardInputName] = standardInput
            words = ["/bin/sh", "-c", "exec \"$@\" < \(Self.standardInputName)", "sh"] + words
        }
        let outcome = ManifestParser.parse(
            try ManifestNode(try document(words, inputs, variables)),
            defaultName: ManifestParser.name(ofFile: program) ?? "run")
        guard let spec = outcome.spec else {
            let errors = outcome.problems.filter { $0.severity == .error }
            let lines = errors.map { $0.path.isEmpty ? $0.message : "\($0.path): \($0.message)" }
            throw CommandLineFailure(
                errors.first?.code ?? "bad_manifest", lines.joined(separator: "\n"), help: errors.first?.help,
                status: .badData)
        }
        return Prepared(spec: spec, places: places)
    }

    private func document(
        _ words: [String], _ inputs: [(name: String, source: String)], _ variables: [String: String]
    ) throws -> JSON {
        func text(_ value: String?) -> JSON? { value.map(JSON.string) }
        let resources: JSON = .object([
            "cpu": text(cpu), "memory": text(memory), "disk": text(disk), "time": text(time),
        ])
        var seen: Set<String> = []
        let unique = inputs.filter { seen.insert($0.name).inserted }
        return .object([
            "name": text(name),
            "command": .array(words.map { .string(Self.literal($0)) }),
            "inputs": unique.isEmpty
                ? nil : .object(unique.map { JSON.Member(Self.literal($0.name), .string(Self.literal($0.source))) }),
            "outputs": outputs.isEmpty ? nil : .array(outputs.map { .string(Self.literal($0)) }),
            "env": try variablesDocument(variables),
            "requires": requirements.isEmpty ? nil : .array(requirements.map(JSON.string)),
            "secrets": secrets.isEmpty ? nil : .array(secrets.sorted().map(JSON.string)),
            "image": text(image),
            "profile": text(profile),
            "resources": resources.members?.isEmpty ?? true ? nil : resources,
            // A command that says no is answered once, as it would be here; only the machine's own failures are mended.
            "retry": .object(["max_attempts": 1]),
        ])
    }

    /// Braces of a command line are its own: nothing is put in for them.
    private static func literal(_ text: String) -> String {
        text.split(separator: "{", omittingEmptySubsequences: false).joined(separator: "{{")
    }

    private func variablesDocument(_ variables: [String: String]) throws -> JSON? {
        var members: [String: String] = [:]
        for text in environment {
            let name = String(text.prefix { $0 != "=" })
            if name.count < text.count {
                members[name] = String(text.dropFirst(name.count + 1))
            } else if let value = variables[name] {
                members[name] = value
            } else {
                throw CommandLineFailure(
                    "bad_env", "`\(DisplayText.clean(name))` is not set here", help: "write --env \(name)=VALUE",
                    status: .usage)
            }
        }
        guard !members.isEmpty else { return nil }
        return .object(
            members.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string(Self.literal($0.value))) })
    }

    // MARK: Inputs

    private static func input(_ text: String, folder: String) throws -> (name: String, source: String) {
        // A path that is there wins over the reading as NAME=PATH.
        if Disk.exists(LocalFile.place(of: text, in: folder)) {
            guard let name = workName(of: text) else { throw bad(text, "has no name: write NAME=\(text)") }
            return (name, text)
        }
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { throw bad(text, "is not there") }
        let (name, path) = (String(text[..<equals]), String(text[text.index(after: equals)...]))
        guard Disk.exists(LocalFile.place(of: path, in: folder)) else { throw bad(path, "is not there") }
        return (name, path)
    }

    private static func bad(_ path: String, _ words: String) -> CommandLineFailure {
        CommandLineFailure("bad_input", "the input `\(DisplayText.clean(path))` \(words)", status: .badData)
    }

    /// A path's name below the work folder: itself when it stays below this folder, else its last part.
    static func workName(of path: String) -> String? {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard let last = parts.last, last != ".." else { return nil }
        if path.hasPrefix("/") || parts.contains("..") { return String(last) }
        return parts.joined(separator: "/")
    }

    /// A program that is named by a path below here (`./x`, `bin/x`), not one of the system's.
    private static func localProgram(_ program: String, folder: String) -> (name: String, source: String)? {
        guard program.contains("/"), !program.hasPrefix("/"), let name = workName(of: program),
            let status = Disk.status(LocalFile.place(of: program, in: folder)), status.st_mode & S_IFMT == S_IFREG
        else { return nil }
        return (name, program)
    }

    // MARK: The end

    /// What a shell would be told of an attempt: the program's own code, 128 + signal, 124 for time, 125 for what is not
    /// the program's doing.
    package static func shellCode(outcome: Outcome?, exitCode: Int?, signal: Int?) -> Int32 {
        switch outcome {
        case .timeout: return 124
        case .success, .exitNonzero, .signaled, .outOfMemory, .diskExceeded, .sandboxViolation, .launchFailed,
            .checkpointed:
            if let exitCode, (1...255).contains(exitCode) || outcome == .success { return Int32(exitCode) }
            return signal.map { Int32(128 + $0) } ?? 125
        default: return 125
        }
    }
}
