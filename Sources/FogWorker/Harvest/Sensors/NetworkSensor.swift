import FogCore

/// The network behind the default route, and whether its bytes cost money.
///
/// NetworkManager's own answer can be had by D-Bus alone and is not asked.
enum NetworkSensor {
    static let maxRoutes = 4096
    /// Interfaces that stand on others (bridges, bonds, VLANs) are followed so far down.
    private static let maxDepth = 4
    /// Drivers of telephones that share their network over USB, and of modems.
    private static let phoneDrivers: Set<String> = ["rndis_host", "ipheth", "cdc_mbim", "qmi_wwan", "huawei_cdc_ncm"]
    /// Gateways of telephones that share their network over the air: iOS always, Android up to 11.
    private static let phoneGateways: Set<String> = ["172.20.10.1", "192.168.43.1"]
    private static let (arpEthernet, arpPPP): (Int64, Int64) = (1, 512)

    struct Route: Hashable, Sendable {
        var interface: String
        var metric: Int64
        /// Dotted; nil for IPv6.
        var gateway: String?
    }

    static func read(proc: String, sysfs: String) -> NetworkReading {
        let routes = routes(
            SensorFile.text(proc + "/net/route", limit: 256 << 10) ?? "",
            SensorFile.text(proc + "/net/ipv6_route", limit: 256 << 10) ?? "")
        guard let first = routes.first else { return NetworkReading(kind: .none) }
        for route in routes {
            let found = classify(route, sysfs, depth: 0)
            // Behind a tunnel lies another way out, and it is the one that costs.
            guard found.kind != .unknown else { continue }
            return NetworkReading(kind: found.kind, isMetered: found.isMetered, interface: first.interface)
        }
        return NetworkReading(kind: .unknown, interface: first.interface)
    }

    /// The default routes, that of the lowest metric first: proc_pid_net(5), and `ipv6_route` of the kernel's
    /// net/ipv6/route.c: destination, its length, source, its length, next hop, metric, references, use, flags, device.
    static func routes(_ four: String, _ six: String) -> [Route] {
        var routes: [Route] = []
        for line in four.split(separator: "\n").dropFirst().prefix(maxRoutes) {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 8, fields[1] == "00000000", fields[7] == "00000000",
                let flags = Int(fields[3], radix: 16), flags & 1 == 1, let metric = Int64(fields[6])
            else { continue }
            routes.append(
                Route(interface: String(fields[0]), metric: metric, gateway: address(fields[2])))
        }
        let anywhere = String(repeating: "0", count: 32)
        for line in six.split(separator: "\n").prefix(maxRoutes) {
            let fields = line.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 10, fields[0] == anywhere, fields[1] == "00", fields[9] != "lo",
                let flags = Int(fields[8], radix: 16), flags & 1 == 1, let metric = Int64(fields[5], radix: 16)
            else { continue }
            routes.append(Route(interface: String(fields[9]), metric: metric))
        }
        return routes.enumerated().sorted { ($0.element.metric, $0.offset) < ($1.element.metric, $1.offset) }
            .map(\.element)
    }

    /// The kernel writes the address's bytes as a number of this machine's order: `010200C0` is 192.0.2.1.
    private static func address(_ hex: some StringProtocol) -> String? {
        guard let value = UInt32(hex, radix: 16) else { return nil }
        return withUnsafeBytes(of: value) { $0.map(String.init).joined(separator: ".") }
    }

    private static func classify(_ route: Route, _ sysfs: String, depth: Int)
        -> (kind: NetworkReading.Kind, isMetered: Bool)
    {
        let name = route.interface
        // A name is a file's name here: nothing leads out of the folder.
        guard !name.contains("/"), name != ".." else { return (.unknown, false) }
        let folder = sysfs + "/class/net/" + name
        let type = SensorFile.number(folder + "/type")
        let uevent = SensorFile.text(folder + "/uevent") ?? ""
        let device = uevent.split(separator: "\n").first { $0.hasPrefix("DEVTYPE=") }?.dropFirst("DEVTYPE=".count)
        let driver = SensorFile.linkName(folder + "/device/driver")
        if device == "wwan" || type == arpPPP || driver.map(phoneDrivers.contains) == true
            || ["wwan", "ppp", "rmnet", "usb", "bnep"].contains(where: { name.hasPrefix($0) })
        {
            return (.mobile, true)
        }
        if device == "wlan" || SensorFile.exists(folder + "/wireless") || SensorFile.exists(folder + "/phy80211") {
            return (.wireless, route.gateway.map(phoneGateways.contains) == true)
        }
        let lower = SensorFile.names(folder, prefix: "lower_").map { String($0.dropFirst("lower_".count)) }
        if depth < maxDepth, !lower.isEmpty {
            let below = lower.map { part -> (kind: NetworkReading.Kind, isMetered: Bool) in
                var next = route
                next.interface = part
                return classify(next, sysfs, depth: depth + 1)
            }
            return below.first(where: \.isMetered) ?? below.first { $0.kind != .unknown } ?? (.unknown, false)
        }
        return type == arpEthernet && SensorFile.exists(folder + "/device") ? (.ethernet, false) : (.unknown, false)
    }
}
