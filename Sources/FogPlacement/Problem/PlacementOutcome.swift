package import FogCore

/// One tick's answer. Every copy of every waiting task is in `assignments` or in `unplaced`, never in neither.
package struct PlacementOutcome: Sendable {
    package var assignments: [Assignment]
    package var unplaced: [Unplaced]
    /// One for each shape that has something unplaced, in the order of the shapes.
    package var explanations: [Explanation]
    /// One for each shape of ``PlacementProblem/recorded`` of which something was given out.
    package var decisions: [PlacementDecision] = []
    package var memory: PlacementMemory
    /// By the clock given, whole milliseconds.
    package var elapsed: TimeSpan

    package init(
        assignments: [Assignment], unplaced: [Unplaced], explanations: [Explanation], memory: PlacementMemory,
        elapsed: TimeSpan
    ) {
        self.assignments = assignments
        self.unplaced = unplaced
        self.explanations = explanations
        self.memory = memory
        self.elapsed = elapsed
    }
}

/// Advice to lease tasks to a node: the grant re-checks it and binds the price.
///
/// A task that is replicated stands in several assignments, to nodes of different owners.
package struct Assignment: Hashable, Sendable {
    /// Index into the problem's shapes.
    package var shape: Int
    package var tasks: Range<UInt32>
    package var node: NodeID
    /// The most that one attempt of one of the tasks may cost there.
    package var boundPrice: Credits

    package init(shape: Int, tasks: Range<UInt32>, node: NodeID, boundPrice: Credits) {
        self.shape = shape
        self.tasks = tasks
        self.node = node
        self.boundPrice = boundPrice
    }
}

/// Tasks that got no node (or not all their copies) this tick, and why.
package struct Unplaced: Hashable, Sendable {
    package var shape: Int
    package var tasks: Range<UInt32>
    /// Copies that each of the tasks lacks after this tick.
    package var missingCopies: Int
    /// Never empty. Reasons that stand for the shape as a whole come first, then the nodes, each counted once.
    package var reasons: [ReasonCount]

    package var count: Int { tasks.count }

    package init(shape: Int, tasks: Range<UInt32>, missingCopies: Int, reasons: [ReasonCount]) {
        self.shape = shape
        self.tasks = tasks
        self.missingCopies = missingCopies
        self.reasons = reasons
    }
}

/// What `FogPlacement` throws.
package struct PlacementFailure: CodedFailure, Equatable {
    package let code: String
    package let message: String

    package init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}
