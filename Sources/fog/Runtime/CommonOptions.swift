internal import ArgumentParser
internal import FogCommandLine

extension OutputMode: ExpressibleByArgument {}
extension ColorChoice: ExpressibleByArgument {}

/// The part of a command line that all commands share.
protocol SessionOptions: Sendable {
    var flags: [SettingKey: String] { get }
    var verbose: Bool { get }
}

/// What every command takes.
struct LocalOptions: ParsableArguments, SessionOptions {
    @Option(name: .shortAndLong, help: "What to print: table, json or quiet (FOG_OUTPUT).")
    var output: OutputMode?

    @Flag(name: .shortAndLong, help: "The same as --output quiet: ids alone.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Say more on standard error.")
    var verbose = false

    @Option(help: "Colours: auto, always or never (FOG_COLOR; NO_COLOR).")
    var color: ColorChoice?

    var flags: [SettingKey: String] {
        var flags: [SettingKey: String] = [:]
        flags[.output] = quiet ? OutputMode.quiet.rawValue : output?.rawValue
        flags[.color] = color?.rawValue
        return flags
    }
}

/// What every command takes that speaks to a coordinator.
struct CommonOptions: ParsableArguments, SessionOptions {
    @Option(help: "Address of the coordinator (FOG_SERVER).")
    var server: String?

    @Option(help: "Which joined coordinator is meant (FOG_CONTEXT; see `fog context list`).")
    var context: String?

    @OptionGroup var local: LocalOptions

    var output: OutputMode? { local.output }
    var quiet: Bool { local.quiet }
    var verbose: Bool { local.verbose }
    var color: ColorChoice? { local.color }

    var flags: [SettingKey: String] {
        var flags = local.flags
        flags[.server] = server
        flags[.context] = context
        return flags
    }
}

extension CommandConfiguration {
    /// A configuration whose help begins with what it does and examples of how.
    init(
        _ name: String, _ abstract: String, examples: [String], more: String = "",
        subcommands: [any ParsableCommand.Type] = []
    ) {
        let lines = examples.map { "  \($0)" }.joined(separator: "\n")
        self.init(
            commandName: name, abstract: abstract,
            discussion: "EXAMPLES:\n\(lines)" + (more.isEmpty ? "" : "\n\n\(more)"), subcommands: subcommands)
    }
}
