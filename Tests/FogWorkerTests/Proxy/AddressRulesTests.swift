import FogJobs
import Testing

@testable import FogWorker

@Suite("Addresses that tasks may not reach")
struct AddressRulesTests {
    /// At least the two ends of each range, and what lies beyond them.
    static let table: [(AddressClass?, [String])] = [
        (.unspecified, ["0.0.0.0", "0.255.255.255", "::", "::ffff:0.0.0.0", "64:ff9b::"]),
        (
            .privateUse,
            ["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"]
        ),
        (
            .privateUse,
            ["fc00::", "fd00:ec2::254", "fdff:ffff::1", "fec0::1", "::ffff:10.1.2.3", "64:ff9b::192.168.1.1"]
        ),
        (.shared, ["100.64.0.0", "100.127.255.255", "100.100.100.200", "::ffff:100.64.0.1"]),
        (.loopback, ["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]),
        (.linkLocal, ["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "febf::1"]),
        (.linkLocal, ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]),
        (.platform, ["168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16"]),
        (.reserved, ["192.0.0.0", "192.0.0.192", "192.0.2.1", "198.18.0.0", "198.19.255.255", "198.51.100.1"]),
        (.reserved, ["203.0.113.255", "240.0.0.0", "255.255.255.254", "::127.0.0.1", "::8.8.8.8", "100::1"]),
        (.reserved, ["2001:db8::1", "2001:2::1", "2001:10::1", "3fff::1", "4000::1", "5f00::1", "64:ff9b:0:1::1"]),
        (.tunnel, ["192.88.99.1", "2002:7f00:1::1", "2002:808:808::1", "2001::1", "2001:0:7f00:1::", "64:ff9b:1::1"]),
        (.multicast, ["224.0.0.0", "239.255.255.255", "ff02::1", "ff0e::1"]),
        (.broadcast, ["255.255.255.255", "::ffff:255.255.255.255"]),
        (
            nil,
            ["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"]
        ),
        (nil, ["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"]),
        (nil, ["192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "8.8.8.8"]),
        (nil, ["2606:4700::1111", "2001:200::1", "2003::1", "2a00::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"]),
    ]

    @Test("every class by its ranges, in whatever clothes", arguments: table.indices)
    func classes(row: Int) throws {
        let (wanted, addresses) = Self.table[row]
        for text in addresses {
            let address = try #require(NetworkAddress(text))
            #expect(AddressRules().refusal(of: address, port: 443) == wanted, "\(text)")
        }
    }

    @Test("the machine's own addresses and the coordinator's are refused, also where they are public")
    func ownAndCoordinator() throws {
        let (own, other) = (try #require(NetworkAddress("8.8.4.4")), try #require(NetworkAddress("2a00::7")))
        let rules = AddressRules(own: [own], coordinator: [other], coordinatorPort: 8365)
        #expect(rules.refusal(of: own, port: 443) == .own)
        #expect(rules.refusal(of: try #require(NetworkAddress("64:ff9b::8.8.4.4")), port: 443) == .own)
        #expect(rules.refusal(of: other, port: 443) == .coordinator)
        #expect(rules.refusal(of: other, port: 8365) == .coordinator)
    }

    @Test("the owner's exemption opens what it names, and never the coordinator's own port")
    func exemption() throws {
        let loopback = try #require(NetworkAddress("127.0.0.1"))
        let rules = AddressRules(
            exempt: [try #require(NetworkRange("127.0.0.1/32"))], own: [loopback], coordinator: [loopback],
            coordinatorPort: 8365)
        #expect(rules.refusal(of: loopback, port: 80) == nil)
        #expect(rules.refusal(of: loopback, port: 8365) == .coordinator)
        #expect(rules.refusal(of: try #require(NetworkAddress("::ffff:127.0.0.1")), port: 80) == nil)
        for near in ["127.0.0.2", "::1", "64:ff9b::127.0.0.1"] {
            #expect(rules.refusal(of: try #require(NetworkAddress(near)), port: 80) == .loopback, "\(near)")
        }
    }

    @Test("the machine's own resolver and interfaces are read")
    func system() throws {
        let loopback = try #require(NetworkAddress("127.0.0.1"))
        #expect(SystemResolver.ownAddresses().contains(loopback))
        let found = SystemResolver().addresses(of: "localhost")
        #expect(!found.isEmpty && found.allSatisfy { AddressRules.special($0) == .loopback })
        #expect(Set(found).count == found.count)
        #expect(SystemResolver().addresses(of: "no-such-name.invalid").isEmpty)
    }

    @Test(
        "a coordinator's URL is read",
        arguments: [
            ("https://fog.example:8365", "fog.example", 8365), ("https://fog.example", "fog.example", 443),
            ("http://127.0.0.1:80/", "127.0.0.1", 80), ("https://[2001:db8::1]:8365", "[2001:db8::1]", 8365),
        ])
    func coordinator(url: String, host: String, port: UInt16) throws {
        let place = try #require(WorkerConfiguration.CoordinatorPlace(url: url))
        #expect(place.host.description == host && place.port == port)
        #expect(WorkerConfiguration.CoordinatorPlace(url: host) == nil)
    }
}
