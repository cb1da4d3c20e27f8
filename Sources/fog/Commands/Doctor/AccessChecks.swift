internal import FogCommandLine
internal import FogCore

/// Keys and contexts of this installation.
enum AccessChecks {
    static func keys(_ session: Session) -> [Finding] {
        var paths = [session.folders.identityFile]
        do {
            paths += try session.contexts().contexts.map(\.identityFile)
        } catch {
            return [
                Finding(
                    "contexts", .bad, FailureReport(error).message,
                    fix: "mv \(session.folders.contextsFile){,.bad}; fog join TOKEN")
            ]
        }
        if let chosen = session.settings.identity { paths.append(chosen) }
        let there = Set(paths).filter(Disk.exists).sorted()
        guard !there.isEmpty else {
            return [Finding("key", .warning, "no key yet", fix: "fog join TOKEN   (or fog dev)")]
        }
        return there.map { path in
            do {
                return Finding("key", .good, "\(path): \(try KeyFile.read(path).publicKey.id)")
            } catch {
                let report = FailureReport(error)
                return Finding("key", .bad, report.message, fix: report.help)
            }
        }
    }
}
