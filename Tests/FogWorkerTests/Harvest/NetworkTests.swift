import FogCore
import Testing

@testable import FogWorker

@Suite("The network behind the default route")
struct NetworkTests {
    private static let head =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

    private func route(_ machine: MachineFixture, _ lines: [String]) throws {
        try machine.put("proc/net", ["route": Self.head + lines.joined(separator: "\n")])
    }

    private func read(_ machine: MachineFixture) -> NetworkReading {
        NetworkSensor.read(proc: machine.roots.proc, sysfs: machine.roots.sysfs)
    }

    @Test("Without a default route there is no network")
    func none() throws {
        try MachineFixture.with { machine in
            #expect(read(machine) == NetworkReading(kind: .none))
            try route(machine, ["eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"])
            #expect(read(machine) == NetworkReading(kind: .none))
        }
    }

    @Test("The route of the lowest metric counts")
    func metrics() throws {
        try MachineFixture.with { machine in
            try route(
                machine,
                [
                    "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0",
                    "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
                ])
            try machine.put("sys/class/net/eth0", ["type": "1", "device/vendor": "0x8086"])
            try machine.put("sys/class/net/wlan0", ["type": "1", "uevent": "DEVTYPE=wlan"])
            #expect(read(machine) == NetworkReading(kind: .ethernet, isMetered: false, interface: "eth0"))
        }
    }

    private static let routes = [
        // interface, gateway as the kernel writes it, files, kind, metered
        ("wlan0", "0102A8C0", ["uevent": "DEVTYPE=wlan"], NetworkReading.Kind.wireless, false),
        // 172.20.10.1: a telephone that shares its network.
        ("wlan0", "010A14AC", ["uevent": "DEVTYPE=wlan"], .wireless, true),
        ("wwan0", "0102A8C0", ["uevent": "DEVTYPE=wwan"], .mobile, true),
        ("ppp0", "00000000", ["type": "512"], .mobile, true), ("usb0", "0102A8C0", ["type": "1"], .mobile, true),
        ("tun0", "00000000", ["type": "65534"], .unknown, false),
        // A veth of a container: nothing says what is behind it.
        ("eth0", "0102A8C0", ["type": "1"], .unknown, false),
    ]

    @Test("Kinds, and what costs", arguments: routes)
    func kinds(name: String, gateway: String, files: [String: String], kind: NetworkReading.Kind, isMetered: Bool)
        throws
    {
        try MachineFixture.with { machine in
            try route(machine, ["\(name)\t00000000\t\(gateway)\t0003\t0\t0\t0\t00000000\t0\t0\t0"])
            try machine.put("sys/class/net/\(name)", files)
            #expect(read(machine) == NetworkReading(kind: kind, isMetered: isMetered, interface: name))
        }
    }

    @Test("A telephone on USB is known by its driver, a bridge by what it stands on, a tunnel by the way out beside it")
    func below() throws {
        try MachineFixture.with { machine in
            let first = "br0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"
            try route(machine, [first])
            try machine.put("sys/class/net/br0", ["type": "1", "lower_enp1/type": "1"])
            try machine.put("sys/class/net/enp1", ["type": "1"])
            try machine.link("sys/class/net/enp1/device/driver", to: "../../bus/usb/drivers/e1000e")
            #expect(read(machine) == NetworkReading(kind: .ethernet, interface: "br0"))
            try machine.remove("sys/class/net/enp1/device/driver")
            try machine.link("sys/class/net/enp1/device/driver", to: "../../bus/usb/drivers/rndis_host")
            #expect(read(machine) == NetworkReading(kind: .mobile, isMetered: true, interface: "br0"))
            try route(
                machine,
                [
                    "wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
                    first.replacing("\t0\t0000", with: "\t9\t0000"),
                ])
            try machine.put("sys/class/net/wg0", ["type": "65534"])
            #expect(read(machine) == NetworkReading(kind: .mobile, isMetered: true, interface: "wg0"))
        }
    }

    @Test("A machine of IPv6 alone has a default route too")
    func six() {
        let zeros = String(repeating: "0", count: 32)
        let text = """
            fe800000000000000000000000000000 40 \(zeros) 00 \(zeros) 00000100 00000002 00000000 00000001     eth0
            \(zeros) 00 \(zeros) 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0
            \(zeros) 00 \(zeros) 00 \(zeros) ffffffff 00000001 00000000 00200200       lo
            """
        #expect(NetworkSensor.routes("", text) == [.init(interface: "eth0", metric: 1024)])
    }
}
