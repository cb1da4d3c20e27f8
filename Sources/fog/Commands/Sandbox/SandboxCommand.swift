internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogSandbox
internal import FogWorker

/// `fog sandbox`: the sandbox alone, without coordinator or worker.
struct SandboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "sandbox", "The sandbox alone, without a coordinator.",
        examples: [
            "fog sandbox run --profile default --work /tmp/w -- id", "fog sandbox collect /tmp/w results --out '*.csv'",
        ],
        subcommands: [SandboxRun.self, SandboxServe.self, SandboxCollect.self])
}

/// `fog sandbox collect`: outputs as a worker collects them.
struct SandboxCollect: SessionCommand {
    static let configuration = CommandConfiguration(
        "collect", "Collect outputs from a work folder as a worker does: no links, names and sizes checked.",
        examples: [
            "fog sandbox collect /tmp/w results", "fog sandbox collect /tmp/w results --out parts/ --out '*.csv'",
        ])

    @Argument(help: "The work folder.", completion: .directory)
    var folder: String

    @Argument(help: "Where the files go.", completion: .directory)
    var destination: String

    @Option(help: "A name, folder/ or glob; default everything.")
    var out: [String] = []

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let found = try OutputCollector.collect(workFolder: folder, patterns: out.isEmpty ? ["**"] : out)
        let copied = try OutputCopy.copy(
            found.map { OutputCopy.Source(name: $0.name, path: $0.path, isExecutable: $0.isExecutable) },
            to: destination)
        switch session.mode {
        case .json:
            session.console.print(
                .array(
                    copied.map {
                        .object([
                            "name": .string($0.path), "size": .integer($0.size), "executable": .bool($0.isExecutable),
                            "digest": .string($0.digest.description),
                        ])
                    }))
        case .quiet: for file in copied { session.console.print(file.path) }
        case .table:
            let bytes = ByteCount(copied.reduce(0) { $0 + $1.size })
            session.console.print("\(Human.count(copied.count, "file")) (\(bytes.brief)) in \(destination)")
        }
    }
}
