internal import Configuration
internal import FogCommandLine
internal import FogCoordinator
internal import FogCore
internal import FogJobs
internal import FogManifestFile

/// What holds for this command, each value with where it came from.
///
/// Precedence: flags, `FOG_…`, `./fog.yaml`, `config.yaml` of the configuration folder, `/etc/fog/config.yaml`, defaults.
/// Keys are those of ``SettingKey``; services read sections of their own from the same files.
struct Settings: Sendable {
    struct Value: Sendable {
        let text: String
        /// `--server`, `FOG_SERVER`, a file's path, or `default`.
        let origin: String
    }

    private let values: [SettingKey: Value]
    private let bounds: [CoordinatorSetting: Value]

    subscript(key: CoordinatorSetting) -> Value { bounds[key] ?? Value(text: key.defaultText, origin: "default") }
    subscript(key: SettingKey) -> Value { values[key] ?? Value(text: key.defaultText, origin: "default") }

    /// - Throws: `bad_setting` that names key, origin, what was found and what was wanted.
    init(flags: [SettingKey: String], environment: [String: String], files: [String]) async throws {
        var layers: [(reader: ConfigReader, origin: (SettingKey) -> String)] = []
        let flagValues = Dictionary(
            uniqueKeysWithValues: flags.map {
                (AbsoluteConfigKey([$0.key.rawValue]), ConfigValue(.string($0.value), isSecret: false))
            })
        layers.append((ConfigReader(provider: InMemoryProvider(values: flagValues)), { "--\($0.rawValue)" }))
        let variables = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
        layers.append((variables.scoped(to: "fog"), { $0.variable }))
        for file in files where Disk.exists(file) {
            layers.append((ConfigReader(provider: try await Self.provider(of: file)), { _ in file }))
        }
        var values: [SettingKey: Value] = [:]
        for key in SettingKey.allCases {
            for layer in layers {
                guard let text = layer.reader.string(forKey: ConfigKey(key.rawValue)), !text.isEmpty else { continue }
                let origin = layer.origin(key)
                if let mistake = key.mistake(in: text) {
                    throw CommandLineFailure(
                        "bad_setting", "`\(key.rawValue)` \(mistake) (from \(origin))", help: "fog config check",
                        status: .usage)
                }
                values[key] = Value(text: text, origin: origin)
                break
            }
        }
        self.values = values
        var bounds: [CoordinatorSetting: Value] = [:]
        for key in CoordinatorSetting.allCases {
            for (index, layer) in layers.enumerated() {
                let section = layer.reader.scoped(to: ConfigKey(CoordinatorSetting.section))
                let name = ConfigKey(key.rawValue)
                guard let text = section.string(forKey: name) ?? section.int(forKey: name).map(String.init),
                    !text.isEmpty
                else { continue }
                // The layers are flags, the environment, then the files: the bounds have no flags.
                let origin = index < 2 ? key.variable : layer.origin(.server)
                if let mistake = key.mistake(in: text) {
                    throw CommandLineFailure(
                        "bad_setting", "`\(key.name)` \(mistake) (from \(origin))", help: "fog config check",
                        status: .usage)
                }
                bounds[key] = Value(text: text, origin: origin)
                break
            }
        }
        self.bounds = bounds
    }

    static func files(_ folders: Folders) -> [String] {
        ["fog.yaml", folders.configurationFile, "/etc/fog/config.yaml"]
    }

    private static func provider(of file: String) async throws -> FileProvider<YAMLSnapshot> {
        do {
            let place = ConfigReader(
                provider: InMemoryProvider(values: ["filePath": ConfigValue(.string(file), isSecret: false)]))
            return try await FileProvider<YAMLSnapshot>(config: place)
        } catch {
            throw CommandLineFailure(
                "bad_setting", "\(file) cannot be read: \(error)", help: "fog config check", status: .usage)
        }
    }

    // MARK: Values as what they are

    /// A bound of the coordinator; what is set was checked when it was read.
    func number(_ key: CoordinatorSetting) -> Int64 { key.value(of: self[key].text) ?? 0 }

    var output: OutputMode { OutputMode(rawValue: self[.output].text) ?? .table }
    var color: ColorChoice { ColorChoice(rawValue: self[.color].text) ?? .auto }
    var timeout: TimeSpan { (try? TimeSpan(self[.timeout].text)) ?? .seconds(30) }
    var allowsPlaintext: Bool { self[.insecurePlaintext].text == "true" }
    /// The operator's hook; nil when there is none.
    /// - Throws: `bad_setting` for events that are none.
    func notices(environment: [String: String]) throws -> Notifier.Configuration? {
        let (program, kinds) = (self[.notifyCommand].text, self[.notifyEvents].text)
        guard !program.isEmpty else { return nil }
        guard let events = kinds.isEmpty ? .standard : EventSelection(kinds) else {
            throw CommandLineFailure(
                "bad_setting",
                "`notify.events` must be kinds of events such as `job_failed, node_*`, found `\(DisplayText.clean(kinds))`",
                status: .usage)
        }
        // Fog's own variables may name keys; the program is another's.
        return Notifier.Configuration(
            program: program, events: events, environment: environment.filter { !$0.key.hasPrefix("FOG_") })
    }
    /// What proxies let tasks reach beside public addresses; what is set was checked when it was read.
    var proxyExempt: [NetworkRange] { SettingKey.ranges(in: self[.proxyAllowAddresses].text) ?? [] }
    var server: String? { self[.server].text.isEmpty ? nil : self[.server].text }
    var context: String? { self[.context].text.isEmpty ? nil : self[.context].text }
    var identity: String? { self[.identity].text.isEmpty ? nil : self[.identity].text }
}
