internal import FogAPI
internal import FogCommandLine
internal import FogCore

/// Keys, the way to the coordinator, clocks.
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

    /// Beyond it requests are refused (RFC 9421 signatures carry the time); a warning comes well before.
    private static let (skewLimit, skewWarning) = (TimeSpan.seconds(60), TimeSpan.seconds(5))

    static func coordinator(_ session: Session) async -> [Finding] {
        do {
            let contexts = try session.contexts()
            guard session.settings.server != nil || session.settings.context != nil || contexts.currentContext != nil
            else {
                return [Finding("coordinator", .warning, "none joined", fix: "fog join TOKEN   (or fog dev)")]
            }
            let context = try await session.resolve()
            let before = session.now
            let info = try await FogClient.info(of: session.carrier(to: context.server))
            let after = session.now
            guard info.coordinator == context.coordinator else {
                return [
                    Finding(
                        "coordinator", .bad,
                        "\(context.server) has another key than the one that was joined: \(info.coordinator.id)",
                        fix: "ask its operator; if it was set up anew: fog join TOKEN")
                ]
            }
            let name = "\(info.name) \(info.version) at \(context.server), \((after - before).brief)"
            // The answer was made between the two readings.
            let middle = Timestamp(microseconds: (before.microseconds + after.microseconds) / 2)
            return [Finding("coordinator", .good, name), clock(info.time - middle)]
        } catch {
            let report = FailureReport(error)
            return [Finding("coordinator", .bad, report.message, fix: report.help)]
        }
    }

    private static func clock(_ ahead: TimeSpan) -> Finding {
        let skew = ahead < .zero ? TimeSpan.zero - ahead : ahead
        let words = "\(skew.brief) \(ahead < .zero ? "ahead of" : "behind") the coordinator's"
        let fix = "timedatectl set-ntp true"
        if skew > skewLimit { return Finding("clock", .bad, words + ": requests are refused", fix: fix) }
        return skew > skewWarning
            ? Finding("clock", .warning, words, fix: fix) : Finding("clock", .good, "agrees with the coordinator's")
    }
}
