/// `allow_hosts`.
extension ManifestReading {
    /// Profiles that Fog comes with whose tasks have no network. What a profile of somebody's own has, its worker knows.
    package static let profilesWithoutNetwork: Set = ["build", "default", "media", "none", "python", "strict"]
    package static let profileWithNetwork = "network-client"

    mutating func readAllowedHosts(_ node: ManifestNode, _ path: String) -> [AllowedHost]? {
        let list = reader.readList(
            node, path, wanted: "a list of HOST:PORT", limit: AllowedHost.maxCount,
            help: "for example [example.org:443, \"*.example.net:443\"]")
        guard let list else { return nil }
        var hosts: [String: AllowedHost] = [:]
        for located in readTexts(list, path, wanted: "HOST:PORT") {
            do throws(JobsFailure) {
                let host = try AllowedHost(located.text)
                guard hosts.updateValue(host, forKey: host.description) == nil else {
                    reader.report(
                        "duplicate", at: located.node, located.path, "`\(host)` stands twice", wanted: "each host once")
                    continue
                }
            } catch {
                reader.report(
                    error.code, at: located.node, located.path, error.message, wanted: "HOST:PORT, as example.org:443")
            }
        }
        return hosts.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Hosts need a profile that leads to them, and such a profile leads nowhere without hosts.
    mutating func checkNetwork(_ own: StepKeys, _ inherited: StepKeys?, _ step: String) {
        let profile = own.profile ?? inherited?.profile ?? "default"
        let hosts = own.allowHosts ?? inherited?.allowHosts ?? []
        let prefix = step.isEmpty ? "" : "steps.\(step)."
        if !hosts.isEmpty, Self.profilesWithoutNetwork.contains(profile),
            let node = own.allowHostsNode ?? own.profileNode ?? inherited?.allowHostsNode
        {
            reader.report(
                "conflict", at: node,
                prefix + (own.allowHostsNode == nil && own.profileNode != nil ? "profile" : "allow_hosts"),
                "the profile `\(profile)` has no network, and `allow_hosts` names hosts to reach",
                wanted: "a profile with `network: proxy`", help: "write `profile: \(Self.profileWithNetwork)`")
        }
        let isSaid = own.allowHostsNode != nil || inherited?.allowHostsNode != nil
        if !isSaid, profile == Self.profileWithNetwork, let node = own.profileNode ?? inherited?.profileNode {
            reader.report(
                "no_hosts", at: node, prefix + "profile",
                "without `allow_hosts` the profile `\(profile)` reaches nothing", wanted: "hosts to reach",
                help: "for example `allow_hosts: [example.org:443]`", severity: .warning)
        }
    }
}
