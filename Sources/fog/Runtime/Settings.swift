internal import Configuration
internal import FogCommandLine
internal import FogCore
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

    var output: OutputMode { OutputMode(rawValue: self[.output].text) ?? .table }
    var color: ColorChoice { ColorChoice(rawValue: self[.color].text) ?? .auto }
    var timeout: TimeSpan { (try? TimeSpan(self[.timeout].text)) ?? .seconds(30) }
    var allowsPlaintext: Bool { self[.insecurePlaintext].text == "true" }
    var server: String? { self[.server].text.isEmpty ? nil : self[.server].text }
    var context: String? { self[.context].text.isEmpty ? nil : self[.context].text }
    var identity: String? { self[.identity].text.isEmpty ? nil : self[.identity].text }
}
