package import FogCore

/// Tells the ends of exchanges which network there is now.
package protocol MixNetworkSource: Sendable {
    /// The consensus to go by, checked.
    /// - Throws: `no_directory`, `consensus_expired` and what else keeps one from being believed: then nothing is sent.
    func consensus(at now: Timestamp) async throws(MixnetFailure) -> Consensus
    /// Those of late, in the order of their epochs: delays are proved two epochs later.
    func recent() async -> [Consensus]
}

extension MixNetworkSource {
    package func recent() async -> [Consensus] { [] }
}

/// Follows a network's authorities: fetches what is newer, and goes by what its keys signed.
package actor DirectoryFollower: MixNetworkSource {
    /// Takes what was accepted, to keep it.
    package typealias Keeping = @Sendable ([UInt64: SignedConsensus]) throws -> Void

    private var trust: DirectoryTrust
    private let client: DirectoryClient
    private let keeping: Keeping
    private var askedAt: Timestamp?

    package init(_ trust: DirectoryTrust, _ client: DirectoryClient, keeping: @escaping Keeping = { _ in }) {
        self.trust = trust
        self.client = client
        self.keeping = keeping
    }

    package func consensus(at now: Timestamp) async throws(MixnetFailure) -> Consensus {
        let newest = trust.schedule.newestEpoch(at: now)
        // Authorities are asked sixteen times an epoch at most, and once a minute.
        let pause = min(TimeSpan(milliseconds: trust.schedule.length.milliseconds / 16), .minutes(1))
        if trust.accepted?.consensus.epoch ?? 0 < newest, askedAt.map({ $0 + pause <= now || $0 > now }) ?? true {
            askedAt = now
            let before = trust.recent
            do throws(MixnetFailure) {
                trust = try await client.refreshed(trust, for: newest, at: now)
            } catch {
                if trust.accepted == nil { throw error }
            }
            if trust.recent != before { try keep() }
        }
        return try trust.current(at: now)
    }

    package func recent() -> [Consensus] { trust.recent.sorted { $0.key < $1.key }.map(\.value.consensus) }

    private func keep() throws(MixnetFailure) {
        do { try keeping(trust.recent) } catch { throw .wrapping(error) }
    }
}
