import FogAPI
import FogCommandLine
import FogCore
import FogJobs
import FogNet
import Testing

@Suite("Output")
struct OutputTests {
    @Test("Columns line up whatever the script, and no line ends in a space")
    func tableLinesUp() {
        var table = Table([.init("NAME"), .init("N", right: true), .init("STATE")])
        table.add(["abc", "1", "ready"])
        table.add(["日本", "1000", ""])
        table.add(["e\u{301}e", "20", "failed"])
        #expect(
            table.text() == """
                NAME     N  STATE
                abc      1  ready
                日本  1000
                e\u{301}e      20  failed

                """)
    }

    @Test("A column that yields is cut so that the table fits the terminal")
    func tableFits() {
        var table = Table([.init("ID"), .init("NAME", yields: true), .init("STATE")])
        table.add(["0123", "a-very-long-name-of-a-job-indeed", "running"])
        let lines = table.text(width: 40).split(separator: "\n")
        #expect(lines.allSatisfy { DisplayText.width($0) <= 40 })
        #expect(lines[1] == "0123  a-very-long-name-of-a-jo…  running")
    }

    @Test("Control characters and marks that turn the text round reach no terminal")
    func cleansNames() {
        #expect(DisplayText.clean("a\u{1b}[2Jb\nc\u{202e}d") == "a?[2Jb?c?d")
    }

    @Test(
        "Colours follow --color, then NO_COLOR and CLICOLOR_FORCE, then the terminal",
        arguments: [
            (ColorChoice.always, ["NO_COLOR": "1"], false, true), (.never, ["CLICOLOR_FORCE": "1"], true, false),
            (.auto, [:], true, true), (.auto, [:], false, false), (.auto, ["NO_COLOR": "1"], true, false),
            (.auto, ["NO_COLOR": ""], true, true), (.auto, ["CLICOLOR_FORCE": "1"], false, true),
            (.auto, ["TERM": "dumb"], true, false),
        ])
    func colours(choice: ColorChoice, environment: [String: String], isTerminal: Bool, wanted: Bool) {
        #expect(Style(choice: choice, environment: environment, isTerminal: isTerminal).usesColor == wanted)
    }

    @Test("The live line shows counts, rate and time left, and fits")
    func progress() {
        var line = ProgressLine(total: 1000)
        line.update(done: 52, at: .seconds(0))
        line.update(done: 412, failed: 3, at: .seconds(10))
        #expect(line.text(width: 80) == "[#########...............] 412/1000 done 3 failed 36/s ETA 17s")
        #expect(line.text(width: 30) == "412/1000 done 3 failed 36/s …")
        #expect(line.plain == "412/1000 done 3 failed")
    }

    @Test("Bytes read as sizes; the rate is that of the last seconds")
    func byteProgress() {
        var line = ProgressLine(total: 8 << 20, unit: .bytes)
        line.update(done: 0, at: .seconds(0))
        line.update(done: 1 << 20, at: .seconds(100))
        line.update(done: 5 << 20, at: .seconds(104))
        #expect(line.rate == Double(1 << 20))
        #expect(line.text(width: 80).hasSuffix("] 5MiB/8MiB 1MiB/s ETA 3s"))
    }

    @Test(
        "Ages are one unit",
        arguments: [
            (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_800, "2d"), (-30, "in 30s"),
        ])
    func ages(seconds: Int64, text: String) {
        let now = Timestamp(seconds: 1_000_000)
        #expect(Human.age(of: now - .seconds(seconds), at: now) == text)
    }

    @Test(
        "Numbers group by thousands", arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
    func groups(number: Int, text: String) { #expect(Human.count(number) == text) }

    @Test(
        "Measures have one decimal where they need it",
        arguments: [(41, "41"), (61.5, "61.5"), (-4.04, "-4"), (99.96, "100"), (.nan, "?")] as [(Double, String)])
    func degrees(value: Double, text: String) { #expect(Human.degrees(value) == text) }

    @Test(
        "A clock shows its distance from UTC",
        arguments: [
            (0, "2001-09-09 01:46:40 (UTC+0:00)"), (19_800, "2001-09-09 07:16:40 (UTC+5:30)"),
            (-12_600, "2001-09-08 22:16:40 (UTC-3:30)"),
        ])
    func clock(offset: Int, text: String) {
        #expect(Human.clock(Timestamp(seconds: 1_000_000_000), offsetSeconds: offset) == text)
    }

    @Test(
        "Errors become exit statuses",
        arguments: [
            (Problem(403, "forbidden", "no") as any CodedFailure, FogCommandLine.ExitStatus.denied),
            (Problem(401, "unknown_key", "no"), .denied), (Problem(429, "quota", "no"), .tryAgain),
            (Problem(503, "busy", "no"), .tryAgain), (Problem(400, "bad_manifest", "no"), .badData),
            (Problem(404, "not_found", "no"), .failure), (CarrierFailure("unreachable", "no"), .unreachable),
            (CarrierFailure("refused_plaintext", "no"), .denied), (JobsFailure("not_found", "no"), .badData),
            (CommandLineFailure("x", "no", status: .usage), .usage),
        ])
    func statuses(failure: any CodedFailure, status: FogCommandLine.ExitStatus) {
        let report = FailureReport(failure)
        #expect(report.status == status)
        #expect(report.json["error"]?["code"]?.string == failure.code)
        #expect(report.text(style: Style(usesColor: false)).hasPrefix("error: no (\(failure.code))\n"))
    }

    @Test(
        "A mistyped command is told what was meant",
        arguments: [
            (["job", "sumbit"], "did you mean `fog job submit`?"), (["jbo"], "did you mean `fog job`?"),
            (["drain", "x"], "did you mean `fog node drain`?"), (["zzzzzz"], "`fog --help` lists them"),
        ])
    func suggests(words: [String], help: String) {
        let failure = Self.names.mistake(in: words)
        #expect(failure?.help == help)
        #expect(failure?.status == .usage)
    }

    @Test(
        "Words behind a command, and options, are not taken for commands",
        arguments: [["job", "submit", "x"], ["--version"], []])
    func leavesArguments(words: [String]) { #expect(Self.names.mistake(in: words) == nil) }

    private static let names = CommandNames(
        "fog", [.init("job", [.init("submit"), .init("show")]), .init("node", [.init("drain")])])
}
