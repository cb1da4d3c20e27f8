package import FogCore
package import FogNet

/// How nodes and clients come by the consensus: from whichever authority answers, since it carries its own proof.
package struct DirectoryClient: Sendable {
    package let authorities: [any Carrier]
    private static let deadline = TimeSpan.seconds(10)

    package init(_ authorities: [any Carrier]) { self.authorities = authorities }

    /// Asks one authority after another, in an order of chance, until one has something newer that is to be believed.
    /// - Parameter epoch: what is looked for; nil = what holds now.
    /// - Returns: what the trust is now; unchanged when nobody had anything newer.
    /// - Throws: the last refusal when nothing was accepted and the trust has nothing that is still good.
    package func refreshed(
        _ trust: DirectoryTrust, for epoch: UInt64? = nil, at now: Timestamp
    ) async throws(MixnetFailure) -> DirectoryTrust {
        var trust = trust
        var refusal = MixnetFailure("no_directory", "no authority answered")
        let current = trust.schedule.epoch(at: now)
        let wanted = epoch ?? current
        for authority in authorities.shuffled() {
            do throws(MixnetFailure) {
                // The newest may be of an epoch that has not begun: then what holds until it does is wanted as well, and
                // first, since trust never goes back.
                if (trust.accepted?.consensus.epoch ?? 0) < current,
                    let signed = try? await Self.fetch(authority, "?epoch=\(current)")
                {
                    _ = try trust.accept(signed, at: now)
                }
                _ = try trust.accept(try await Self.fetch(authority), at: now)
                if let epoch = trust.accepted?.consensus.epoch, epoch >= wanted { return trust }
            } catch {
                refusal = error
            }
        }
        if (try? trust.current(at: now)) == nil { throw refusal }
        return trust
    }

    private static func fetch(
        _ authority: any Carrier, _ query: String = ""
    ) async throws(MixnetFailure) -> SignedConsensus {
        let request = CarrierRequest(method: "GET", target: "\(DirectoryService.root)/consensus\(query)")
        let answer: CarrierResponse
        do {
            answer = try await authority.send(request, deadline: deadline)
        } catch {
            throw MixnetFailure(error.code, error.message)
        }
        guard answer.status == 200 else {
            throw MixnetFailure("no_directory", "an authority answered \(answer.status) instead of a consensus")
        }
        return try SignedConsensus(bytes: answer.body)
    }

    /// Hands a descriptor to all authorities.
    /// - Returns: how many took it.
    package func handIn(_ descriptor: SignedDescriptor) async -> (taken: Int, refusals: [String]) {
        let request = CarrierRequest(
            method: "POST", target: "\(DirectoryService.root)/messages",
            body: DirectoryMessage.descriptor(descriptor).bytes)
        return await withTaskGroup(of: String?.self) { group in
            for authority in authorities {
                group.addTask {
                    do {
                        let answer = try await authority.send(request, deadline: Self.deadline)
                        return answer.status == 204 ? nil : String(decoding: answer.body.prefix(400), as: UTF8.self)
                    } catch {
                        return "\(error)"
                    }
                }
            }
            return await group.reduce(into: (taken: 0, refusals: [])) { result, refusal in
                if let refusal { result.refusals.append(refusal) } else { result.taken += 1 }
            }
        }
    }
}
