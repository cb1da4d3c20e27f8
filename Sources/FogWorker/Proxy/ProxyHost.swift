import Dispatch
import FogCore
import FogJobs
import FogSandbox
import Glibc
import Synchronization

/// The proxies of all tasks of one agent, and what they share: the owner's permission, the rate, the resolver.
package final class ProxyHost: Sendable {
    package struct Options: Sendable {
        /// Addresses that tasks may reach although they are private, loopback or the like.
        package var exempt: [NetworkRange] = []
        /// Where the coordinator is; nil = there is none.
        package var coordinator: WorkerConfiguration.CoordinatorPlace?
        package var limits = ProxyLimits()
        /// The rate that proxies share with whatever else it holds for; nil = none.
        package var bandwidth: Bandwidth?
        package var resolver: any HostResolver = SystemResolver()
        /// Whether tasks may reach the network from the start.
        package var isAllowed = false

        package init() {}
    }

    /// Names that are looked up at once, by all proxies; getaddrinfo(3) takes its time and cannot be called off.
    private static let maxLookups = 32
    /// Lookups that wait for their turn.
    private static let maxWaiting = 4096
    /// How long what is known of the coordinator's addresses holds, by the boot clock.
    private static let coordinatorLasts: Int64 = 60_000_000_000
    /// A connection takes two descriptors, and at most half of the process's go to proxies; and 128 KiB.
    private static let share = 4
    private static let mostConnections = 2048
    /// Addresses of the coordinator that are remembered.
    private static let mostAddresses = 64

    let options: Options
    private let maxConnections: Int
    private let state: Mutex<State>

    private struct State {
        var isAllowed: Bool
        var mailboxes: [ObjectIdentifier: ProxyMailbox] = [:]
        var connections = 0
        var running = 0
        var waiting: [@Sendable () -> Void] = []
        var coordinator: (addresses: Set<NetworkAddress>, at: Int64)?
    }

    package init(_ options: Options) {
        self.options = options
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        maxConnections = min(Self.mostConnections, max(16, Int(clamping: limit.rlim_cur) / Self.share))
        state = Mutex(State(isAllowed: options.isAllowed))
    }

    /// A proxy for one task, which may reach these hosts and no others.
    /// - Parameter yields: it gives way to others, as the task itself does.
    package func proxy(for hosts: [AllowedHost], yields: Bool = false) -> TaskProxy {
        TaskProxy(hosts, host: self, yields: yields)
    }

    /// Says whether tasks may reach the network. False cuts what is open.
    package func setAllowed(_ isAllowed: Bool) {
        let mailboxes = state.withLock { state in
            guard state.isAllowed != isAllowed else { return [ProxyMailbox]() }
            state.isAllowed = isAllowed
            return Array(state.mailboxes.values)
        }
        for mailbox in mailboxes { mailbox.tell { $0.isAllowed = isAllowed } }
    }

    /// A mailbox that hears of permissions from now on.
    func register() throws(SandboxFailure) -> ProxyMailbox {
        let mailbox = try ProxyMailbox(isAllowed: false)
        let isAllowed = state.withLock { state in
            state.mailboxes[ObjectIdentifier(mailbox)] = mailbox
            return state.isAllowed
        }
        if isAllowed { mailbox.tell { $0.isAllowed = true } }
        return mailbox
    }

    func forget(_ mailbox: ProxyMailbox) {
        _ = state.withLock { $0.mailboxes.removeValue(forKey: ObjectIdentifier(mailbox)) }
    }

    /// Room for one connection more; false when there is none.
    func take() -> Bool {
        state.withLock { state in
            guard state.connections < maxConnections else { return false }
            state.connections += 1
            return true
        }
    }

    func giveBack(_ count: Int) { state.withLock { $0.connections -= count } }

    // MARK: - Names

    /// Finds the addresses behind a host that a task may be connected to, on another thread.
    /// - Returns: false when too many wait; then nothing is answered.
    func look(up host: NetworkHost, port: UInt16, _ answer: @escaping @Sendable (ProxyMailbox.Answer) -> Void) -> Bool {
        let job: @Sendable () -> Void = { [self] in
            answer(Result { () throws(ProxyRefusal) in try addresses(of: host, port: port) })
            next()
        }
        enum Turn { case now, later, never }
        let turn = state.withLock { state -> Turn in
            if state.running < Self.maxLookups {
                state.running += 1
                return .now
            }
            guard state.waiting.count < Self.maxWaiting else { return .never }
            state.waiting.append(job)
            return .later
        }
        if turn == .now { Self.start(job) }
        return turn != .never
    }

    private func next() {
        let job = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.waiting.isEmpty else {
                state.running -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        if let job { Self.start(job) }
    }

    /// A queue of its own is a thread of its own here: what others keep busy delays no lookup.
    private static func start(_ job: @escaping @Sendable () -> Void) {
        DispatchQueue(label: "fog.proxy.lookup").async(execute: job)
    }

    /// Looked up once: what is connected to is what was checked, whatever a name server says next.
    private func addresses(of host: NetworkHost, port: UInt16) throws(ProxyRefusal) -> [NetworkAddress] {
        let found: [NetworkAddress]
        switch host {
        case .address(let address): found = [address]
        case .name(let name):
            found = options.resolver.addresses(of: name)
            guard !found.isEmpty else {
                throw ProxyRefusal(502, "name_not_found", "no address is known for \(name)")
            }
        }
        let rules = rules
        let fit = found.filter { rules.refusal(of: $0, port: port) == nil }
        guard !fit.isEmpty else {
            // The class alone: what lies in a private network is no business of the task.
            let reason = found.first.flatMap { rules.refusal(of: $0, port: port) } ?? .reserved
            throw ProxyRefusal(
                403, "address_refused", "\(host) leads to an address that tasks may not reach (\(reason.rawValue))")
        }
        return Array(fit.prefix(options.limits.addresses))
    }

    /// As they are now: interfaces come and go.
    private var rules: AddressRules {
        AddressRules(
            exempt: options.exempt, own: SystemResolver.ownAddresses(), coordinator: coordinatorAddresses(),
            coordinatorPort: options.coordinator?.port)
    }

    private func coordinatorAddresses() -> Set<NetworkAddress> {
        guard let coordinator = options.coordinator else { return [] }
        guard case .name(let name) = coordinator.host else {
            if case .address(let address) = coordinator.host { return [address] }
            return []
        }
        let now = SystemClock().sinceBoot.milliseconds * 1_000_000
        let known = state.withLock { $0.coordinator }
        if let known, now - known.at < Self.coordinatorLasts { return known.addresses }
        // Those of before count as well: a name server that is away must not open the way.
        var found = Set(options.resolver.addresses(of: name))
        if found.count + (known?.addresses.count ?? 0) <= Self.mostAddresses { found.formUnion(known?.addresses ?? []) }
        state.withLock { $0.coordinator = (found, now) }
        return found
    }
}
