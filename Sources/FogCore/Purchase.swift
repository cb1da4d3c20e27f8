/// How a job buys capacity.
package enum Purchase: String, Hashable, Sendable, Codable, CaseIterable {
    /// At what a machine's owner asks, or the index price where the owner asks nothing.
    case onDemand = "on-demand"
    /// What is left over, at the price that the call market of the moment finds; placed after everything else.
    case spot
    /// At a price that is fixed and paid into escrow when the job is taken in; placed before everything else.
    case reserved
    /// The machine that asks least, at what the next one asks.
    case auction

    /// Whether the job must say what it pays at most.
    package var needsLimit: Bool { self == .spot || self == .auction }
}
