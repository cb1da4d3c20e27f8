import Testing

@testable import FogJobs

@Suite("Addresses and hosts")
struct NetworkAddressTests {
    /// What inet_pton(3) reads, and how RFC 5952 writes it.
    @Test(
        "an address is read strictly and written in one way",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::00A1", "2001:db8::a1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::ffff:127.0.0.1", "127.0.0.1"), ("::ffff:7f00:1", "127.0.0.1"),
            ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"), ("::10.0.0.1", "::a00:1"), ("0:0:0:0:0:ffff:a00:1", "10.0.0.1"),
        ])
    func good(text: String, written: String) throws {
        let address = try #require(NetworkAddress(text))
        #expect(address.description == written)
        #expect(NetworkAddress(written) == address)
        #expect(NetworkAddress(bytes: address.bytes) == address)
    }

    @Test(
        "what inet_aton(3) makes of numbers is no address, nor is anything else",
        arguments: [
            "", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.256", "127.0.0.1.", "1.2.3", "1.2.3.4.5", " 127.0.0.1", "127.0.0.1 ", "+1.2.3.4", "1.2.3.-4",
            "127.0.0.1\0", "١٢٧.0.0.1", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::12345", "::g",
            "1:2:3:4:5:6:7:8::", "::1%lo", "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", ":1::", "::1:",
        ])
    func bad(text: String) { #expect(NetworkAddress(text) == nil) }

    @Test("a range holds what begins as it does, and nothing of the other version")
    func ranges() throws {
        let range = try #require(NetworkRange("10.64.0.0/10"))
        for inside in ["10.64.0.0", "10.127.255.255"] { #expect(range.contains(try #require(NetworkAddress(inside)))) }
        for outside in ["10.63.255.255", "10.128.0.0", "::a40:0"] {
            #expect(!range.contains(try #require(NetworkAddress(outside))))
        }
        #expect(NetworkRange("127.0.0.1")?.description == "127.0.0.1/32")
        #expect(NetworkRange("::/0")?.contains(.v6(1, 1)) == true)
        #expect(NetworkRange("0.0.0.0/0")?.contains(.v4(.max)) == true)
        for bad in [
            "10.1.2.3/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "::/129",
        ] {
            #expect(NetworkRange(bad) == nil, "\(bad)")
        }
    }

    @Test(
        "a host has one form",
        arguments: [
            ("Example.ORG", "example.org"), ("example.org.", "example.org"), ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
            ("localhost", "localhost"), ("_dmarc.example.org", "_dmarc.example.org"), ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8::1]", "[2001:db8::1]"), ("[::ffff:192.0.2.7]", "192.0.2.7"), ("1.example", "1.example"),
        ])
    func hosts(text: String, written: String) throws {
        #expect(try #require(NetworkHost(text)).description == written)
    }

    @Test(
        "what could be read as an address, or in two ways, is no host",
        arguments: [
            "", ".", "..", "a..b", ".a", "-a", "a-", "a b", "a/b", "a@b", "a:b", "a\r\nb", "münchen.de", "a%2eb",
            "a\0b",
            "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "example.0x7f", "example.1", "127.0.0.1.", "[127.0.0.1]",
            "::1", "[::1", "::1]", "[::1%lo]", "[]", "*", "*.example.org",
        ])
    func noHosts(text: String) { #expect(NetworkHost(text) == nil) }

    @Test("names and labels have bounds")
    func bounds() {
        let label = String(repeating: "a", count: 63)
        #expect(NetworkHost(label) != nil)
        #expect(NetworkHost(label + "a") == nil)
        let name = Array(repeating: label, count: 3).joined(separator: ".") + "." + String(repeating: "b", count: 61)
        #expect(name.utf8.count == 253)
        #expect(NetworkHost(name) != nil)
        #expect(NetworkHost(name + "b") == nil)
    }
}

@Suite("Allowed hosts")
struct AllowedHostTests {
    private static let hosts = [
        "example.org:443", "*.Example.NET.:443", "192.0.2.7:80", "[2001:db8::1]:8080", "[::ffff:192.0.2.9]:80",
    ]

    @Test(
        "a host is allowed by its name and port, whatever its spelling",
        arguments: [
            ("example.org", 443, true), ("EXAMPLE.org.", 443, true), ("example.org", 80, false),
            ("www.example.org", 443, false), ("example.org.evil", 443, false), ("notexample.org", 443, false),
            ("a.example.net", 443, true), ("a.b.example.net", 443, true), ("example.net", 443, false),
            ("aexample.net", 443, false), ("a.example.net", 444, false), ("192.0.2.7", 80, true),
            ("[::ffff:192.0.2.7]", 80, true), ("[::ffff:c000:207]", 80, true), ("192.0.2.9", 80, true),
            ("192.0.2.8", 80, false), ("[2001:db8:0:0::1]", 8080, true), ("[2001:db8::1]", 80, false),
        ])
    func allowed(host: String, port: UInt16, isAllowed: Bool) throws {
        let list = try Self.hosts.map { try AllowedHost($0) }
        #expect(list.allow(try #require(NetworkHost(host)), port: port) == isAllowed)
        #expect(![AllowedHost]().allow(try #require(NetworkHost(host)), port: port))
    }

    @Test("it is written in one form, which reads the same")
    func written() throws {
        let list = try Self.hosts.map { try AllowedHost($0) }
        #expect(
            list.map(\.description) == [
                "example.org:443", "*.example.net:443", "192.0.2.7:80", "[2001:db8::1]:8080", "192.0.2.9:80",
            ])
        for host in list { #expect(try AllowedHost(host.description) == host) }
    }

    @Test(
        "what is wrong is said",
        arguments: [
            ("example.org", "has no port: write example.org:443"), ("example.org:", "port that is not 1 to 65535"),
            ("example.org:0", "port that is not"), ("example.org:65536", "port that is not"),
            ("example.org:0443", "port that is not"), ("example.org:+443", "port that is not"),
            ("example.org:https", "port that is not"), ("https://example.org:443", "without a scheme"),
            ("example.org/x:443", "without a scheme"), ("user@example.org:443", "names a user"),
            (":443", "has no host"),
            ("2001:db8::1:443", "stands in brackets"), ("[2001:db8::1]", "has no port"),
            ("münchen.de:443", "xn-- form"),
            ("*:443", "star"), ("*.org:443", "star"), ("a.*.org:443", "is no host"), ("**.example.org:443", "star"),
            ("127.1:80", "inet_pton"), ("2130706433:80", "inet_pton"), ("0x7f.1:80", "inet_pton"),
            ("a b:80", "is no host"),
        ])
    func wrong(text: String, words: String) throws {
        let failure = try #require(throws: JobsFailure.self) { try AllowedHost(text) }
        #expect(failure.code == "bad_host")
        #expect(failure.message.contains(words), "\(failure.message)")
    }
}
