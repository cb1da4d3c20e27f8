import FogCore
import Testing

@testable import FogJobs

@Suite("Secrets of a manifest")
struct SecretUseTests {
    @Test(
        "Names and places read, and the document reads back",
        arguments: [
            (#"{"run": "x", "secrets": ["b", "a"]}"#, ["a file", "b file"]),
            (#"{"run": "x", "secrets": {"a": "env:A_B", "b": "file"}}"#, ["a env:A_B", "b file"]),
            (#"{"run": "x", "secrets": {"b": "file"}}"#, ["b file"]), (#"{"run": "x", "secrets": []}"#, []),
        ])
    func reads(text: String, wanted: [String]) throws {
        let spec = try goodSpec(text)
        #expect(spec.steps[0].secrets.map { "\($0.name) \($0.placeText)" } == wanted)
        #expect(try parsed(ManifestDocument(of: spec).json.canonical).spec == spec)
    }

    @Test("A step's secrets replace the job's; the job's names are those of all steps")
    func steps() throws {
        let spec = try goodSpec(
            #"{"secrets": ["a"], "steps": {"one": {"run": "x"}, "two": {"run": "x", "secrets": {"b": "env:B"}}}}"#)
        #expect(spec.steps.map { $0.secrets.map(\.name) } == [["a"], ["b"]])
        #expect(spec.secretNames == ["a", "b"])
    }

    @Test(
        "What cannot be a secret is refused",
        arguments: [
            (#"{"run": "x", "secrets": ["a/b"]}"#, "bad_name"), (#"{"run": "x", "secrets": [".a"]}"#, "bad_name"),
            (#"{"run": "x", "secrets": ["a", "a"]}"#, "duplicate"),
            (#"{"run": "x", "secrets": {"a": "env:FOG_X"}}"#, "bad_value"),
            (#"{"run": "x", "secrets": {"a": "env:1"}}"#, "bad_value"),
            (#"{"run": "x", "secrets": {"a": "the value"}}"#, "bad_value"),
            (#"{"run": "x", "env": {"V": "1"}, "secrets": {"a": "env:V"}}"#, "conflict"),
            (#"{"run": "x", "secrets": {"a": "env:V", "b": "env:V"}}"#, "conflict"),
        ])
    func refuses(text: String, code: String) throws { #expect(try parsed(text).problems.map(\.code) == [code]) }

    @Test("Values are held against the names, and against their bounds")
    func values() throws {
        let spec = try goodSpec(#"{"run": "x", "secrets": ["a", "b"]}"#)
        #expect(spec.mistake(inSecrets: ["a": "1", "b": "2"]) == nil)
        #expect(spec.mistake(inSecrets: ["a": "1"])?.contains("`b`") == true)
        #expect(spec.mistake(inSecrets: ["a": "1", "b": "2", "c": "3"])?.contains("`c`") == true)
        #expect(spec.mistake(inSecrets: ["a": "", "b": "2"])?.contains("empty") == true)
        #expect(spec.mistake(inSecrets: ["a": "x\0y", "b": "2"])?.contains("zero byte") == true)
        let long = String(repeating: "x", count: SecretUse.maxValueBytes + 1)
        #expect(spec.mistake(inSecrets: ["a": long, "b": "2"])?.contains("at most") == true)
        let many = (0..<5).map { "s\($0)" }
        let wide = try goodSpec(#"{"run": "x", "secrets": ["\#(many.joined(separator: "\", \""))"]}"#)
        let full = Dictionary(uniqueKeysWithValues: many.map { ($0, String(long.dropLast())) })
        #expect(wide.mistake(inSecrets: full)?.contains("together") == true)
    }

    @Test("A lease that is printed does not say what it holds")
    func printed() {
        let secret = LeaseSecret(use: SecretUse(name: "token"), value: "hidden")
        #expect(!"\(secret) \([secret])".contains("hidden"))
    }
}
