internal import ArgumentParser
internal import FogCommandLine
internal import FogCore

/// `fog context`: the coordinators that were joined from here.
struct ContextCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "context", "Choose among the coordinators you joined.", examples: ["fog context list", "fog context use lab"],
        subcommands: [
            ContextList.self, ContextUse.self, ContextShow.self, ContextMix.self, ContextRemove.self,
        ])
}

/// `fog context list`
struct ContextList: SessionCommand {
    static let configuration = CommandConfiguration(
        "list", "Show the coordinators you joined.", examples: ["fog context list", "fog context list -o json"])

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let file = try session.contexts()
        switch session.mode {
        case .json: session.console.print(file.json)
        case .quiet: for context in file.contexts { session.console.print(context.name) }
        case .table:
            guard !file.contexts.isEmpty else {
                return session.console.note("none yet; `fog join TOKEN` makes one, `fog dev` a coordinator of your own")
            }
            var table = Table([.init(""), .init("NAME"), .init("SERVER", yields: true), .init("COORDINATOR")])
            for context in file.contexts {
                let isCurrent = context.name == file.current
                table.add([
                    isCurrent ? "*" : "", Table.Cell(context.name, isCurrent ? .strong : .plain),
                    Table.Cell(context.server),
                    Table.Cell(context.coordinator.id.description),
                ])
            }
            session.console.print(table)
        }
    }
}

/// `fog context use`
struct ContextUse: SessionCommand {
    static let configuration = CommandConfiguration(
        "use", "Make a coordinator the one that is meant when none is named.",
        examples: ["fog context use lab", "FOG_CONTEXT=lab fog job list   (for one command alone)"])

    @Argument(help: "Its name in `fog context list`.")
    var name: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var file = try session.contexts()
        try file.use(name)
        try file.save(session.folders.contextsFile)
        if session.mode == .table { session.console.note("using \(name) (\(file[name]?.server ?? ""))") }
        if session.mode == .json { session.console.print(file.json) }
    }
}

/// `fog context show`
struct ContextShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show which coordinator is meant, and by which key you are known there.",
        examples: ["fog context show", "fog context show lab"])

    @Argument(help: "Its name in `fog context list`; default the one that is meant now.")
    var name: String?

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let context = if let name { try session.contexts().require(name) } else { try await session.resolve() }
        switch session.mode {
        case .json: session.console.print(context.json)
        case .quiet: session.console.print(context.name)
        case .table:
            var sheet = Sheet()
            sheet.add("name", context.name.isEmpty ? "none (by address)" : context.name)
            sheet.add("server", context.server)
            if context.isPinned { sheet.add("tls", "under the coordinator's own key only") }
            if let mix = context.mix {
                sheet.add("mix", "\(mix.level), network \(mix.network)")
                sheet.add("service", mix.service)
            }
            sheet.add("coordinator", "\(context.coordinator.id)")
            sheet.add("identity", session.settings.identity ?? context.identityFile)
            session.console.print(sheet)
        }
    }
}

/// `fog context remove`
struct ContextRemove: SessionCommand {
    static let configuration = CommandConfiguration(
        "remove", "Forget a coordinator; your key stays.", examples: ["fog context remove lab"])

    @Argument(help: "Its name in `fog context list`.")
    var name: String

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        var file = try session.contexts()
        try file.remove(name)
        try file.save(session.folders.contextsFile)
        switch session.mode {
        case .json: session.console.print(file.json)
        case .quiet: session.console.print(name)
        case .table:
            session.console.print("forgot \(name)")
            if file.current == nil, let other = file.contexts.first {
                session.console.note("none is current now; help: fog context use \(other.name)")
            }
        }
    }
}
