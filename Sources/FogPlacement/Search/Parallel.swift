internal import Dispatch
internal import Synchronization

/// Work shared between threads, with results in the order of the work.
enum Parallel {
    /// Calls the body for each index; on up to that many threads, the caller's among them.
    ///
    /// The result must depend on the index alone: which thread does what is left to chance.
    static func map<Result: Sendable>(
        _ count: Int, workers: Int, _ body: @Sendable (Int) -> Result
    ) -> [Result] {
        guard workers > 1, count > 1 else { return (0..<count).map(body) }
        let next = Atomic<Int>(0)
        let done = Mutex<[Result?]>(Array(repeating: nil, count: count))
        DispatchQueue.concurrentPerform(iterations: min(workers, count)) { _ in
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                let result = body(index)
                done.withLock { $0[index] = result }
            }
        }
        return done.withLock { results in results.compactMap { $0 } }
    }
}
