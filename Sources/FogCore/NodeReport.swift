/// What a worker says of its machine: detected when it starts, sent when it registers, refreshed when it changes.
package struct NodeReport: Hashable, Sendable, Codable {
    /// The operator's or owner's name for the machine; `node:NAME` in a manifest.
    package var name: String
    /// The kernel's machine name: `x86_64`, `aarch64`.
    package var architecture: String
    package var cpu: Millicores
    package var memory: ByteCount
    package var disk: ByteCount
    package var gpu: Int
    /// Programs on the task's PATH and their versions ("" where none could be read): `python3: 3.11.2`.
    package var programs: [String: String]
    package var labels: [String]
    package var region: String
    /// Names of the folders that its owner shares with tasks, sorted.
    package var volumes: [String]
    /// Sandbox profiles that this machine can enforce in full.
    package var profiles: [String]
    /// What the machine's sandbox cannot do, in words: `memory limit (no cgroup delegation)`.
    package var missingIsolation: [String]
    package var software: String
    /// What its worker speaks. The coordinator writes it down from the hello; what a report says of itself is not used.
    package var protocolVersion: Int
    /// It has a battery or a mobile network: it may be carried off, run empty, or pay for its bytes.
    package var isMobile: Bool
    /// What it says of itself to those who seal private jobs, signed, in base64; nil = it takes none.
    package var statement: String?
    /// The highest level of private work that it takes; public = none. The coordinator believes `secret` only of a worker
    /// that reaches it through a mixnet at that level, and in no other way.
    package var privacy: PrivacyLevel
    /// The level at which its calls go through a mixnet; nil = they come directly.
    package var mix: PrivacyLevel?

    private enum CodingKeys: String, CodingKey {
        case name, architecture, cpu, memory, disk, gpu, programs, labels, region, volumes, profiles, software
        case statement, privacy, mix
        case isMobile = "is_mobile"
        case missingIsolation = "missing_isolation"
        case protocolVersion = "protocol"
    }

    package init(
        name: String, architecture: String, cpu: Millicores, memory: ByteCount, disk: ByteCount, gpu: Int = 0,
        programs: [String: String] = [:], labels: [String] = [], region: String = "",
        volumes: [String] = [], profiles: [String] = ["default"], missingIsolation: [String] = [],
        software: String = "", protocolVersion: Int = 1, isMobile: Bool = false,
        privacy: PrivacyLevel = .public, mix: PrivacyLevel? = nil
    ) {
        self.name = name
        self.architecture = architecture
        self.cpu = cpu
        self.memory = memory
        self.disk = disk
        self.gpu = gpu
        self.programs = programs
        self.labels = labels
        self.region = region
        self.volumes = volumes
        self.profiles = profiles
        self.missingIsolation = missingIsolation
        self.software = software
        self.protocolVersion = protocolVersion
        self.isMobile = isMobile
        self.privacy = privacy
        self.mix = mix
    }

    /// Reports of older workers, stored or sent, name no volumes and no protocol, and do not say whether the
    /// machine is mobile or takes private work.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(String.self, forKey: .name)
        architecture = try values.decode(String.self, forKey: .architecture)
        cpu = try values.decode(Millicores.self, forKey: .cpu)
        memory = try values.decode(ByteCount.self, forKey: .memory)
        disk = try values.decode(ByteCount.self, forKey: .disk)
        gpu = try values.decode(Int.self, forKey: .gpu)
        programs = try values.decode([String: String].self, forKey: .programs)
        labels = try values.decode([String].self, forKey: .labels)
        region = try values.decode(String.self, forKey: .region)
        volumes = try values.decodeIfPresent([String].self, forKey: .volumes) ?? []
        profiles = try values.decode([String].self, forKey: .profiles)
        missingIsolation = try values.decode([String].self, forKey: .missingIsolation)
        software = try values.decode(String.self, forKey: .software)
        protocolVersion = try values.decodeIfPresent(Int.self, forKey: .protocolVersion) ?? 1
        isMobile = try values.decodeIfPresent(Bool.self, forKey: .isMobile) ?? false
        statement = try values.decodeIfPresent(String.self, forKey: .statement)
        privacy = try values.decodeIfPresent(PrivacyLevel.self, forKey: .privacy) ?? .public
        mix = try values.decodeIfPresent(PrivacyLevel.self, forKey: .mix)
    }

    /// What of it is believed of a worker that speaks from an address of its own, or from none that is seen, as through a
    /// mixnet.
    package func believed(isDirect: Bool) -> NodeReport {
        var report = self
        if isDirect { report.mix = nil }
        if report.mix != .secret { report.privacy = min(report.privacy, .confidential) }
        return report
    }
}

/// Whose work a machine's owner takes. A name in both lists is refused.
package struct SubmitterRule: Hashable, Sendable, Codable {
    /// Names of accounts; nil = everybody's.
    package var allow: [String]?
    package var deny: [String]

    package init(allow: [String]? = nil, deny: [String] = []) {
        self.allow = allow
        self.deny = deny
    }

    package var isOpen: Bool { allow == nil && deny.isEmpty }

    package func takes(_ account: String) -> Bool {
        !deny.contains(account) && allow?.contains(account) ?? true
    }
}

/// What a machine's owner lets Fog use now. The governor writes it, the lease loop obeys it, every poll carries it.
package struct Allowance: Hashable, Sendable, Codable {
    package enum State: String, Sendable, Codable, CaseIterable {
        /// New work is welcome.
        case open
        /// Running work goes on under lower caps; no new work.
        case throttled
        /// Running work is stopped in place; no new work.
        case frozen
        /// Running work must leave; no new work.
        case evicting
        /// No work.
        case closed
    }

    package var state: State
    /// Why, for people: `keyboard used 12 s ago`, `closed until 22:00`. Never empty.
    package var reason: String
    package var resumesAt: Timestamp?
    package var cpuCap: Millicores
    package var memoryCap: ByteCount
    /// Bits a second; nil = no cap.
    package var bandwidthCap: Int64?
    /// Tasks at once.
    package var slots: Int
    /// The most permissive sandbox profiles the owner allows; nil = any the machine can enforce.
    package var profileCeiling: [String]?
    /// Whose work is taken; nil = everybody's.
    package var submitters: SubmitterRule?
    /// Whether tasks may reach the hosts that their jobs name, through the worker's proxy; nil = no.
    package var network: Bool?

    private enum CodingKeys: String, CodingKey {
        case state, reason, slots, submitters, network
        case resumesAt = "resumes_at"
        case cpuCap = "cpu_cap"
        case memoryCap = "memory_cap"
        case bandwidthCap = "bandwidth_cap"
        case profileCeiling = "profile_ceiling"
    }

    package init(
        state: State, reason: String, resumesAt: Timestamp? = nil, cpuCap: Millicores, memoryCap: ByteCount,
        bandwidthCap: Int64? = nil, slots: Int, profileCeiling: [String]? = nil, submitters: SubmitterRule? = nil,
        network: Bool? = nil
    ) {
        self.state = state
        self.reason = reason
        self.resumesAt = resumesAt
        self.cpuCap = cpuCap
        self.memoryCap = memoryCap
        self.bandwidthCap = bandwidthCap
        self.slots = slots
        self.profileCeiling = profileCeiling
        self.submitters = submitters
        self.network = network
    }
}
