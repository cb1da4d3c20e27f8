import FogSandbox
import Testing

@testable import FogJobs

@Suite("Profiles and the network")
struct NetworkProfileTests {
    private static let folder =
        #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 } + "/sandbox-profiles"

    @Test("the manifest knows which of Fog's own profiles have a network")
    func names() throws {
        let names = SandboxProfile.names(in: Self.folder)
        #expect(names.count >= 7)
        for name in names {
            let profile = try SandboxProfile.load(named: name, from: Self.folder)
            #expect((profile.network == .none) == ManifestReading.profilesWithoutNetwork.contains(name), "\(name)")
        }
        #expect(names.contains(ManifestReading.profileWithNetwork))
    }
}
