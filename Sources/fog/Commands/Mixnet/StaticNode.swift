internal import FogCommandLine
internal import FogCore
internal import FogMixnet
import Foundation
internal import Logging
internal import ServiceLifecycle

/// A mix that goes by a file alone.
struct StaticNode {
    let network: String
    let index: UInt16
    let folder: String

    func run(_ options: MixNode.Options, _ session: Session, _ logger: Logger) async throws {
        let lock = try FolderLock(folder, for: "node")
        defer { withExtendedLifetime(lock) {} }
        let view = try StaticNetwork.view(try MixnodePlaces.staticDocument(network))
        let store = try MixKeyStore(folder: folder)
        guard view.nodes[index]?.linkKey == store.link.publicKey else {
            throw MixnetFailure("bad_network", "\(network) has no node \(index) with the link key of \(folder)")
        }
        let mix = try await MixNode.start(options, store: store, view: view, at: session.now)
        MixnodeRun.announceReady("\(options.host):\(mix.port)", isTest: view.isTest, session)
        let service = StaticNodeHost(node: self, mix: mix, view: view, logger: logger)
        try await ServiceRun.group([service], logger: logger).run()
    }
}

/// A mix as a part of the process: its epochs, its logs and its metrics, second by second.
private struct StaticNodeHost: Service {
    let node: StaticNode
    let mix: MixNode
    let view: MixNetworkView
    let logger: Logger

    func run() async throws {
        let ended = await cancelWhenGracefulShutdown { () -> Result<Void, any Error> in
            do {
                try await tend()
                return .success(())
            } catch is CancellationError {
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        logger.info("Draining.")
        try await mix.drain(limit: .drain(view.meanDelay))
        try ended.get()
    }

    private func tend() async throws {
        let clock = SystemClock()
        var (view, changed) = (view, modified())
        var second = 0
        while true {
            try await Task.sleep(for: .seconds(1))
            second += 1
            try await mix.syncLogs()
            let now = modified()
            if now != changed {
                changed = now
                do {
                    view = try StaticNetwork.view(try MixnodePlaces.staticDocument(node.network))
                    logger.info("The network was read again.")
                } catch {
                    logger.error(
                        "The network's file cannot be used; what was read before stands.",
                        metadata: ["error": "\(error)"])
                }
            }
            try await mix.update(view, at: clock.now)
            if mix.liveEpochs.last != view.epoch(at: clock.now) {
                logger.warning(
                    "The key of this epoch was erased, since not all it opened is known; packets are refused.")
            }
            guard second % 5 == 0 else { continue }
            let (counters, waiting) = try await mix.counters()
            try Disk.write(Array(counters.metrics(waiting: waiting).utf8), to: "\(node.folder)/metrics.prom")
        }
    }

    private func modified() -> Date? {
        (try? FileManager.default.attributesOfItem(atPath: node.network))?[.modificationDate] as? Date
    }
}

extension TimeSpan {
    /// That a node waits for its queue to empty: no packet stays longer.
    static func drain(_ meanDelay: Int64) -> TimeSpan {
        TimeSpan(milliseconds: meanDelay / 1_000_000 * Int64(DelayDraw.longest) + 1000)
    }
}
