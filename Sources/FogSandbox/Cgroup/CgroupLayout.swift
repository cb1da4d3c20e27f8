import Glibc

/// Where this process stands in the machine's control groups.
package struct CgroupLayout: Sendable, Hashable {
    /// One hierarchy: all of v2, or one v1 mount with its controllers.
    package struct Hierarchy: Sendable, Hashable {
        package let isV2: Bool
        package let controllers: Set<String>
        package let mountPoint: String
        /// This process's own group, relative to the mount point; "" = its root.
        package let own: String

        package var path: String { own.isEmpty ? mountPoint : mountPoint + "/" + own }
    }

    package var hierarchies: [Hierarchy]

    package init(hierarchies: [Hierarchy]) { self.hierarchies = hierarchies }

    /// Reads /proc/self/mountinfo (proc(5)) and /proc/self/cgroup (cgroups(7)).
    package static func detect(procRoot: String = "/proc") -> CgroupLayout {
        let mounts = Files.text(procRoot + "/self/mountinfo") ?? ""
        let groups = Files.text(procRoot + "/self/cgroup") ?? ""
        return CgroupLayout(mountinfo: mounts, groups: groups)
    }

    package init(mountinfo: String, groups: String) {
        var own: [String: String] = [:]
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                own[String(controller)] = String(parts[2])
            }
        }
        hierarchies = []
        for line in mountinfo.split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            guard let dash = line.firstRange(of: " - "), halves.count == 2 else { continue }
            let before = line[..<dash.lowerBound].split(separator: " ")
            let after = line[dash.upperBound...].split(separator: " ")
            guard before.count >= 5, after.count >= 3 else { continue }
            let (root, point) = (String(before[3]), String(before[4]))
            if after[0] == "cgroup2", let group = own[""] {
                let controllers = Files.text(point + "/cgroup.controllers") ?? ""
                hierarchies.append(
                    .init(
                        isV2: true, controllers: Set(controllers.split { $0.isWhitespace }.map(String.init)),
                        mountPoint: point, own: Self.relative(group, to: root)))
            } else if after[0] == "cgroup" {
                let controllers = Set(after[2].split(separator: ",").map(String.init))
                guard let found = controllers.first(where: { own[$0] != nil }), let group = own[found] else { continue }
                hierarchies.append(
                    .init(
                        isV2: false, controllers: controllers, mountPoint: point, own: Self.relative(group, to: root)))
            }
        }
    }

    /// The hierarchy that holds a v1 controller.
    func v1(_ controller: String) -> Hierarchy? {
        hierarchies.first { !$0.isV2 && $0.controllers.contains(controller) }
    }

    var v2: Hierarchy? { hierarchies.first(where: \.isV2) }

    /// In a container the mount shows a subtree whose root is `root`, while the group is named from the host's root.
    private static func relative(_ group: String, to root: String) -> String {
        var path = Substring(group)
        if root != "/", path == root || path.hasPrefix(root + "/") { path = path.dropFirst(root.count) }
        while path.hasPrefix("/") { path = path.dropFirst() }
        return String(path)
    }
}
