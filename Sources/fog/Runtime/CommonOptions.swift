internal import ArgumentParser
internal import FogCommandLine

extension OutputMode: ExpressibleByArgument {}
extension ColorChoice: ExpressibleByArgument {}

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(help: "Address of the coordinator (FOG_SERVER).")
    var server: String?

    @Option(help: "Which joined coordinator is meant (FOG_CONTEXT; see `fog context list`).")
    var context: String?

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
        flags[.server] = server
        flags[.context] = context
        flags[.output] = quiet ? OutputMode.quiet.rawValue : output?.rawValue
        flags[.color] = color?.rawValue
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
