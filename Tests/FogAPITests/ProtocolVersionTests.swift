import FogAPI
import FogNet
import Testing

@Suite("The protocol's version")
struct ProtocolVersionTests {
    private func problem(_ header: String?) -> Problem? {
        var request = CarrierRequest(method: "GET", target: "/v1/me")
        request.headers["fog-protocol"] = header
        do throws(Problem) {
            try ProtocolVersion.check(request, software: "9.8", command: "do this")
            return nil
        } catch {
            return error
        }
    }

    @Test("this version, the one before, and requests from before there was a header are served")
    func served() {
        for header in [String(ProtocolVersion.current), String(ProtocolVersion.current - 1), nil] {
            #expect(problem(header) == nil, "\(header ?? "none")")
        }
        #expect(ProtocolVersion.oldest == ProtocolVersion.current - 1)
    }

    @Test("an older one and a newer one are told what to run")
    func refused() throws {
        let old = try #require(problem(String(ProtocolVersion.oldest - 1)))
        #expect(old.status == 426 && old.code == "upgrade_required")
        #expect(old.detail.hasPrefix("this program is too old: it speaks protocol 0, the coordinator (fog 9.8) takes"))
        #expect(old.detail.hasSuffix("upgrade it: do this"))
        let new = try #require(problem(String(ProtocolVersion.current + 1)))
        #expect(new.status == 426 && new.code == "upgrade_required")
        #expect(new.detail.hasPrefix("this program is newer than the coordinator: it speaks protocol 3,"))
        #expect(new.detail.hasSuffix("install its version: do this"))
    }

    @Test("what is no version is said to be none", arguments: ["", "x", "-1", "01", "2.0", "65536", " 2"])
    func malformed(header: String) {
        #expect(problem(header)?.status == 400 && problem(header)?.code == "bad_protocol")
    }
}
