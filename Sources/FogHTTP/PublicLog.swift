internal import FogAPI
internal import FogCoordinator
internal import FogLedger
internal import FogNet

extension Routes {
    /// Checkpoints and hash tiles for everybody, below `/log` as C2SP tlog-tiles lays them out. Entries are not among
    /// them: those are for auditors, and a party's own come with a proof.
    ///
    /// Nil for what does not ask for them.
    func answerLog(_ request: CarrierRequest) async -> CarrierResponse? {
        guard request.method == "GET" else { return nil }
        do {
            if request.path == LogPaths.checkpoint {
                var answer = CarrierResponse.text("")
                let newest = try await coordinator.checkpoint()
                answer.body = await coordinator.withCosignatures(newest)
                answer.headers["cache-control"] = "no-cache"
                return answer
            }
            if request.path == LogPaths.cosigned {
                guard let note = await coordinator.cosigned else {
                    return Problem(404, "not_found", "no witness has cosigned a checkpoint of this log").response
                }
                var answer = CarrierResponse.text(String(decoding: note, as: UTF8.self))
                answer.headers["cache-control"] = "no-cache"
                return answer
            }
            guard request.path.hasPrefix(LogPaths.tiles) else { return nil }
            let path = request.path.dropFirst(LogPaths.tiles.count)
            guard let tile = TileRequest(path), case .hashes(let level) = tile.kind else {
                return Problem(404, "not_found", "a tile reads LEVEL/NUMBER[.p/WIDTH] as C2SP tlog-tiles writes it")
                    .response
            }
            var answer = CarrierResponse.bytes(try await coordinator.hashes(level: level, tile))
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
            return answer
        } catch {
            return problem(for: error, path: "/log").response
        }
    }
}
