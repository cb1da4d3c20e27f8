package import FogCore

/// The hard constraints: may a task of a shape run on a node, and if not, which checks stand in the way.
package enum Feasibility {
    /// Every check that the node fails now, in the order of ``Clause``; empty = it may run there.
    package static func failures(
        of shape: TaskShape, on node: NodeRecord, now: Timestamp, avoiding: Avoidance = Avoidance()
    ) -> [FailedCheck] {
        let total = Amounts(totalOf: node)
        let site = Site(node: node, total: total, free: Amounts(freeOf: node, total: total.ahead(node)))
        return failures(of: shape, on: site, now: now, barred: Barred(avoiding, node: node))
    }

    static func failures(of shape: TaskShape, on site: Site, now: Timestamp, barred: Barred) -> [FailedCheck] {
        var found: [FailedCheck] = []
        let wanted = shape.constraints.requires
        withUnsafePointer(to: site.node) { node in
            findings(
                of: shape, demand: Amounts(shape.demand), on: node, total: site.total, free: site.free, barred: barred,
                meets: { wanted[$0].holds(for: site.node.report, owner: site.node.owner) }
            ) { clause, permanence, index in
                found.append(
                    check(clause, permanence, requirement: index, of: shape, on: site, now: now))
            }
        }
        return found
    }

    /// A node with its capacities worked out.
    struct Site {
        var node: NodeRecord
        var total: Amounts
        var free: Amounts
    }

    /// What bars one node beside the shape's own constraints.
    struct Barred {
        var triedBefore = false
        var ownerHasCopy = false

        init() {}

        init(_ avoiding: Avoidance, node: NodeRecord) {
            guard !avoiding.isEmpty else { return }
            triedBefore = avoiding.failedOn.contains(node.id)
            ownerHasCopy = avoiding.copiesHeldBy.contains(node.owner)
        }
    }

    /// Calls `found` with each failing clause, in order; the number is the index of the requirement for `requires`.
    ///
    /// The one place where nodes are judged. It makes no text, since it runs for every pair of shape and node, and reads the
    /// node where it lies: to copy one is to count a dozen references.
    /// - Parameter meets: whether the node meets the requirement of that index.
    @inline(__always)
    static func findings(
        of shape: TaskShape, demand: Amounts, on place: UnsafePointer<NodeRecord>, total: Amounts, free: Amounts,
        barred: Barred, meets: (Int) -> Bool, _ found: (Clause, Permanence, Int) -> Void
    ) {
        let constraints = shape.constraints
        if place.pointee.state != .ready { found(.nodeState, .notNow, 0) }
        if place.pointee.allowance.state != .open { found(.allowance, .notNow, 0) }
        if let rule = place.pointee.allowance.submitters, !rule.takes(shape.submitter ?? "") {
            found(.submitter, .never, 0)
        }
        if !place.pointee.report.profiles.contains(constraints.profile) {
            found(.profile, .never, 0)
        } else if let ceiling = place.pointee.allowance.profileCeiling, !ceiling.contains(constraints.profile) {
            found(.profile, .never, 0)
        }
        if constraints.needsNetwork, place.pointee.allowance.network != true { found(.network, .never, 0) }
        func amount(_ clause: Clause, _ wanted: Int64, _ total: Int64, _ free: Int64) {
            if wanted > total {
                found(clause, .never, 0)
            } else if wanted > free {
                found(clause, .notNow, 0)
            }
        }
        amount(.cpu, demand.cpu, total.cpu, free.cpu)
        amount(.memory, demand.memory, total.memory, free.memory)
        amount(.disk, demand.disk, total.disk, free.disk)
        amount(.gpu, demand.gpu, total.gpu, free.gpu)
        if free.slots < 1 { found(.slots, .notNow, 0) }
        for index in constraints.requires.indices where !meets(index) { found(.requires, .never, index) }
        if let region = constraints.region, region != place.pointee.report.region { found(.region, .never, 0) }
        if let limit = constraints.maxLatency {
            // An unmeasured node may still turn out near.
            if place.pointee.latency.map({ $0 > limit }) ?? true {
                found(.latency, place.pointee.latency == nil ? .notNow : .never, 0)
            }
        }
        if let sale = constraints.terms.sale {
            if !sale.includes(place.pointee.id, asking: constraints.terms.asks(of: place.pointee, for: shape.demand)) {
                found(.price, constraints.terms.purchase == .reserved ? .never : .notNow, 0)
            }
        } else if constraints.terms.isUnsold {
            found(.price, .notNow, 0)
        } else if let limit = constraints.maxPrice, place.pointee.asks(for: shape.demand).core > limit {
            found(.price, .never, 0)
        }
        // Written so that a trust that is not a number fails. Where one copy counts as verified there is no doubt.
        if !(place.pointee.trust(for: shape.demand) >= constraints.minTrust), !shape.trusts(place.pointee) {
            found(.trust, .never, 0)
        }
        if !constraints.exclude.isEmpty, constraints.excludes(place.pointee) { found(.exclude, .never, 0) }
        if constraints.secretsOf != nil, !constraints.trusts(place.pointee) { found(.trustedOwner, .never, 0) }
        if shape.privacy > place.pointee.report.privacy { found(.privacy, .never, 0) }
        if shape.isPrivate, !shape.sealedTo.contains(place.pointee.id) { found(.sealed, .never, 0) }
        if shape.sla != .b, let stay = place.pointee.availability, stay < shape.demand.time {
            found(.availability, .notNow, 0)
        }
        if barred.triedBefore { found(.triedBefore, .never, 0) }
        if barred.ownerHasCopy { found(.ownerHasCopy, .never, 0) }
    }
}
