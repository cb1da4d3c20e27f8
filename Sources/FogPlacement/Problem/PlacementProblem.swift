package import FogCore

/// One tick's question: which waiting tasks go to which nodes.
///
/// A value, so that equal problems have equal answers. An array of a million tasks is one shape with one range: nothing
/// in this module expands it.
package struct PlacementProblem: Sendable {
    package var now: Timestamp
    /// Feeds every random choice: equal problem and seed, equal outcome.
    package var seed: UInt64
    /// How long a search may take, by the clock given to ``Placement/place(_:clock:)``. The direct strategies are one
    /// pass over the nodes and do not look at it.
    package var wallBudget: TimeSpan
    package var shapes: [TaskShape]
    /// In the queue's order: what comes first takes capacity first.
    package var waiting: [WaitingRange]
    /// In any order; of two records with one id the first counts.
    package var nodes: [NodeRecord]
    /// What is leased already. ``NodeRecord/free`` has it subtracted; a search reads it to leave tasks where they are.
    package var running: [RunningRange]
    /// What the last outcome handed back; nil on the first tick.
    package var memory: PlacementMemory?
    /// Shapes whose decision is to be written down.
    package var recorded: Set<Int> = []
    /// Threads that a search may use.
    package var workers = 1

    package init(
        now: Timestamp, seed: UInt64, wallBudget: TimeSpan = .milliseconds(200), shapes: [TaskShape],
        waiting: [WaitingRange], nodes: [NodeRecord], running: [RunningRange] = [], memory: PlacementMemory? = nil
    ) {
        self.now = now
        self.seed = seed
        self.wallBudget = wallBudget
        self.shapes = shapes
        self.waiting = waiting
        self.nodes = nodes
        self.running = running
        self.memory = memory
    }
}

/// Tasks of one shape that wait alike.
package struct WaitingRange: Hashable, Sendable {
    /// Index into ``PlacementProblem/shapes``.
    package var shape: Int
    /// Task numbers of the job.
    package var tasks: Range<UInt32>
    /// Copies that each task still lacks; nil = all of the shape's `replicas`. At most ``TaskShape/maxReplicas``.
    package var missingCopies: Int?
    /// Where they may not go, beyond what the shape says.
    package var avoiding: Avoidance

    package init(shape: Int, tasks: Range<UInt32>, missingCopies: Int? = nil, avoiding: Avoidance = Avoidance()) {
        self.shape = shape
        self.tasks = tasks
        self.missingCopies = missingCopies
        self.avoiding = avoiding
    }
}

/// Where a task may not go because of what happened to it.
package struct Avoidance: Hashable, Sendable, Codable {
    /// Nodes on which it failed by the host's fault.
    package var failedOn: [NodeID]
    /// Owners that hold or have returned a copy: one result per owner. A task with such a copy has started, so
    /// `max_parallel` counts it already.
    package var copiesHeldBy: [String]

    package init(failedOn: [NodeID] = [], copiesHeldBy: [String] = []) {
        self.failedOn = failedOn
        self.copiesHeldBy = copiesHeldBy
    }

    package var isEmpty: Bool { failedOn.isEmpty && copiesHeldBy.isEmpty }
}

/// Tasks of one shape that are leased to one node.
package struct RunningRange: Hashable, Sendable {
    package var shape: Int
    package var tasks: Range<UInt32>
    package var node: NodeID
    package var since: Timestamp

    package init(shape: Int, tasks: Range<UInt32>, node: NodeID, since: Timestamp) {
        self.shape = shape
        self.tasks = tasks
        self.node = node
        self.since = since
    }
}

/// What one tick leaves for the next. Callers keep it and hand it back; losing it costs fairness, never correctness.
package struct PlacementMemory: Hashable, Sendable, Codable {
    /// Nodes of a step that are remembered, and steps.
    package static let maxStarts = 256, maxSteps = 1024

    /// The node that took the last task given in turn.
    package var lastInTurn: NodeID?
    /// Where the search put the tasks of a step last: the next one starts from there.
    package var starts: [ShapeID: [NodeID]]

    package init(lastInTurn: NodeID? = nil, starts: [ShapeID: [NodeID]] = [:]) {
        self.lastInTurn = lastInTurn
        self.starts = starts
    }
}
