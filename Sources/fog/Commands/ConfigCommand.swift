internal import ArgumentParser
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile

/// `fog config`: what holds, and where it comes from.
struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        "config", "See and check the settings.", examples: ["fog config show", "fog config check"],
        subcommands: [ConfigShow.self, ConfigCheck.self])
}

/// `fog config show`
struct ConfigShow: SessionCommand {
    static let configuration = CommandConfiguration(
        "show", "Show every setting and where its value comes from.",
        examples: ["fog config show", "fog config show -o json"],
        more:
            "Flags are stronger than FOG_… variables, then ./fog.yaml, config.yaml in the configuration folder, /etc/fog/config.yaml, defaults. Keys are named by their files and never shown."
    )

    @OptionGroup var common: CommonOptions

    func run(_ session: Session) async throws {
        let settings = session.settings
        switch session.mode {
        case .json:
            let members = SettingKey.allCases.map { key in
                JSON.Member(
                    key.rawValue,
                    .object(["value": .string(settings[key].text), "origin": .string(settings[key].origin)]))
            }
            let bounds = CoordinatorSetting.allCases.map { key in
                JSON.Member(
                    key.name,
                    .object(["value": .string(settings[key].text), "origin": .string(settings[key].origin)]))
            }
            session.console.print(
                .object([
                    "settings": .object(members + bounds),
                    "folders": .object([
                        "configuration": .string(session.folders.configuration),
                        "state": .string(session.folders.state),
                        "cache": .string(session.folders.cache),
                    ]),
                ]))
        case .quiet:
            for key in SettingKey.allCases { session.console.print("\(key.rawValue)=\(settings[key].text)") }
            for key in CoordinatorSetting.allCases { session.console.print("\(key.name)=\(settings[key].text)") }
        case .table:
            var table = Table([
                .init("KEY"), .init("VALUE", yields: true), .init("FROM", yields: true), .init("MEANING", yields: true),
            ])
            for key in SettingKey.allCases {
                let value = settings[key]
                table.add([
                    Table.Cell(key.rawValue), Table.Cell(value.text.isEmpty ? "-" : value.text),
                    Table.Cell(value.origin, .faint),
                    Table.Cell(key.meaning),
                ])
            }
            for key in CoordinatorSetting.allCases {
                table.add([
                    Table.Cell(key.name), Table.Cell(settings[key].text), Table.Cell(settings[key].origin, .faint),
                    Table.Cell(key.meaning),
                ])
            }
            session.console.print(table)
            var sheet = Sheet()
            sheet.add("configuration", session.folders.configuration)
            sheet.add("state", session.folders.state)
            session.console.print("\n" + sheet.text(style: session.console.style), terminator: "")
        }
    }
}

/// `fog config check`: runs although a setting is wrong, for it is there to say so.
struct ConfigCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        "check", "Check configuration files, contexts and key files.",
        examples: ["fog config check", "FOG_HOME=/srv/fog fog config check"])

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let environment = CurrentEnvironment.variables
        let folders = try Folders(environment: environment)
        let console = Console(
            color: common.color ?? .auto, isVerbose: common.verbose, isQuiet: common.quiet, environment: environment)
        var problems: [String] = []
        for file in Settings.files(folders) where Disk.exists(file) { problems += Self.problems(of: file) }
        for key in SettingKey.allCases {
            guard let text = environment[key.variable], !text.isEmpty, let mistake = key.mistake(in: text) else {
                continue
            }
            problems.append("error: `\(key.variable)` \(mistake)")
        }
        for key in CoordinatorSetting.allCases {
            guard let text = environment[key.variable], !text.isEmpty, let mistake = key.mistake(in: text) else {
                continue
            }
            problems.append("error: `\(key.variable)` \(mistake)")
        }
        do {
            for context in try ContextsFile.load(folders.contextsFile).contexts {
                if let complaint = KeyFile.complaint(about: context.identityFile) {
                    problems.append("error: \(complaint.words)\nhelp: \(complaint.help)")
                }
            }
        } catch let failure as CommandLineFailure {
            problems.append("error: \(failure.message)")
        }
        for problem in problems { console.note(problem) }
        if common.output == .json {
            console.print(.object(["ok": .bool(problems.isEmpty), "problems": .array(problems.map(JSON.string))]))
        } else if problems.isEmpty, !common.quiet {
            console.print("all well")
        }
        if !problems.isEmpty { throw ExitStatus.failure.exit }
    }

    /// Unknown keys and values that cannot be, with their places.
    private static func problems(of file: String) -> [String] {
        let text: String
        do {
            text = String(decoding: try Disk.readSmall(file) ?? [], as: UTF8.self)
        } catch {
            return ["error: \(file): \(FailureReport(error).message)"]
        }
        let (node, syntax) = YAMLManifest.node(text)
        var problems = syntax.filter { $0.code != "empty" }
        if case .mapping(let entries)? = node?.content {
            for entry in entries { problems += Self.problem(of: entry) }
        }
        let lines = SourceText.lines(of: text)
        return problems.map { String($0.rendered(file: file, lines: lines).dropLast()) }
    }

    /// What is wrong with the section `coordinator`.
    private static func problems(ofBounds entry: ManifestNode.Entry) -> [ManifestProblem] {
        guard case .mapping(let entries) = entry.value.content else {
            return [
                ManifestProblem(
                    "wrong_type", "`\(entry.key)` must be a mapping", path: entry.key, mark: entry.value.mark,
                    wanted: "a mapping")
            ]
        }
        return entries.flatMap { item -> [ManifestProblem] in
            let path = "\(entry.key).\(item.key)"
            guard let key = CoordinatorSetting(rawValue: item.key) else {
                let near = nearest(to: item.key, among: CoordinatorSetting.allCases.map(\.rawValue))
                return [
                    ManifestProblem(
                        "unknown_key", "unknown key `\(DisplayText.clean(path))`", path: path, mark: item.keyMark,
                        width: max(1, item.key.count), found: item.key, wanted: "a known key",
                        help: near.map { "did you mean `\($0)`?" }
                            ?? "known: \(CoordinatorSetting.allCases.map(\.rawValue).joined(separator: ", "))")
                ]
            }
            guard case .scalar(let text, _) = item.value.content else {
                return [
                    ManifestProblem(
                        "wrong_type", "`\(path)` must be one value", path: path, mark: item.value.mark,
                        wanted: "one value")
                ]
            }
            return key.mistake(in: text).map {
                [
                    ManifestProblem(
                        "bad_setting", "`\(path)` \($0)", path: path, mark: item.value.mark,
                        width: max(1, text.count), found: text)
                ]
            } ?? []
        }
    }

    private static func problem(of entry: ManifestNode.Entry) -> [ManifestProblem] {
        if entry.key == CoordinatorSetting.section { return problems(ofBounds: entry) }
        if SettingKey.sections.contains(entry.key), case .mapping(let entries) = entry.value.content {
            return entries.flatMap { item in
                problem(
                    of: ManifestNode.Entry(
                        key: "\(entry.key).\(item.key)", keyMark: item.keyMark, value: item.value))
            }
        }
        guard let key = SettingKey(rawValue: entry.key) else {
            guard !SettingKey.otherSections.contains(entry.key) else { return [] }
            let known = SettingKey.allCases.map(\.rawValue) + SettingKey.otherSections
            let near = nearest(to: entry.key, among: known)
            return [
                ManifestProblem(
                    "unknown_key", "unknown key `\(DisplayText.clean(entry.key))`", path: entry.key,
                    mark: entry.keyMark,
                    width: max(1, entry.key.count), found: entry.key, wanted: "a known key",
                    help: near.map { "did you mean `\($0)`?" } ?? "known: \(known.joined(separator: ", "))")
            ]
        }
        guard case .scalar(let text, _) = entry.value.content else {
            return [
                ManifestProblem(
                    "wrong_type", "`\(key.rawValue)` must be text", path: entry.key, mark: entry.value.mark,
                    wanted: "text")
            ]
        }
        return key.mistake(in: text).map {
            [
                ManifestProblem(
                    "bad_setting", "`\(key.rawValue)` \($0)", path: entry.key, mark: entry.value.mark,
                    width: max(1, text.count),
                    found: text)
            ]
        } ?? []
    }
}
