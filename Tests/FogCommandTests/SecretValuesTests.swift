import FogCommandLine
import FogJobs
import Testing

@Suite("Secrets on the command line")
struct SecretValuesTests {
    @Test("A value comes from a file or a variable, as it is")
    func reads() throws {
        try withFolder { folder in
            try Disk.write(Array("line\n".utf8), to: "\(folder)/token")
            let given = try SecretValues(["token=@\(folder)/token", "PASSWORD"], variables: ["PASSWORD": "pw"])
            #expect(given.values == ["token": "line\n", "PASSWORD": "pw"])
        }
    }

    @Test("A value on the command line, a name twice, and what cannot be a secret are refused")
    func refuses() throws {
        try withFolder { folder in
            try Disk.write([0x61, 0x00], to: "\(folder)/zero")
            try Disk.write([0xff, 0xfe], to: "\(folder)/binary")
            try Disk.write([], to: "\(folder)/empty")
            try Disk.write([0x61], to: "\(folder)/good")
            for texts in [
                ["token=value"], ["token="], ["token=@"], ["=@x"], ["../x=@\(folder)/good"], ["GONE"],
                ["a=@\(folder)/good", "a=@\(folder)/good"], ["a=@\(folder)/missing"], ["a=@\(folder)/zero"],
                ["a=@\(folder)/binary"], ["a=@\(folder)/empty"],
            ] {
                #expect(throws: CommandLineFailure.self, "\(texts)") { try SecretValues(texts, variables: [:]) }
            }
        }
    }
}
