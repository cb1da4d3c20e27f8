import FogCoordinator
import FogCore
import Foundation
import Synchronization
import Testing

@testable import FogHTTP

@Suite("Dashboard and alerts")
struct MonitoringTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "monitoring")

    /// Names of metrics of ours in a text, with the labels that are asked of each.
    private static func uses(in text: String) throws -> [(name: String, labels: Set<String>)] {
        let metric = /fog_[a-z_]+(?<labels>\{[^}]*\})?/
        return text.matches(of: metric).map { match in
            let name = String(match.output.0.prefix { $0 != "{" })
            let labels = match.output.labels.map {
                String($0).matches(of: /([a-z_]+)\s*[=!]~?/).map { String($0.output.1) }
            }
            return (name, Set(labels ?? []).subtracting(["job", "instance"]))
        }
    }

    /// The page of a coordinator that has a hook and answered something.
    private static func page() async throws -> String {
        let metrics = CoordinatorMetrics()
        metrics.count(route: "/healthz", status: 200, took: .milliseconds(1))
        let page = Mutex("")
        try await Pool.with { pool in
            var figures = await pool.coordinator.figures()
            figures.notices = .init()
            let text = metrics.page(figures)
            page.withLock { $0 = text }
        }
        return page.withLock { $0 }
    }

    @Test(
        "every metric and label that they name is on the page",
        arguments: ["grafana-dashboard.json", "prometheus-alerts.yml"])
    func names(_ file: String) async throws {
        let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
            // A quote within JSON.
            .replacing("\\\"", with: "\"")
        let page = try await Self.page()
        let uses = try Self.uses(in: text)
        #expect(uses.count >= 8)
        for use in uses {
            let lines = page.split(separator: "\n").filter {
                $0.hasPrefix(use.name + "{") || $0.hasPrefix(use.name + " ")
            }
            #expect(!lines.isEmpty, "\(file): \(use.name) is not on the page")
            for label in use.labels {
                #expect(lines.contains { $0.contains("\(label)=\"") }, "\(file): \(use.name) has no label \(label)")
            }
        }
    }

    @Test("the dashboard is JSON, its panels do not overlap")
    func dashboard() throws {
        let json = try JSON(parsing: try Array(Data(contentsOf: Self.folder.appending(path: "grafana-dashboard.json"))))
        var taken: Set<[Int64]> = []
        for panel in json["panels"]?.array ?? [] {
            let place = try #require(panel["gridPos"])
            let (x, y) = (try #require(place["x"]?.integer), try #require(place["y"]?.integer))
            let (width, height) = (try #require(place["w"]?.integer), try #require(place["h"]?.integer))
            #expect(x + width <= 24)
            for column in x..<x + width {
                for row in y..<y + height {
                    #expect(taken.insert([column, row]).inserted, "\(panel["title"]?.string ?? "")")
                }
            }
        }
        #expect(!taken.isEmpty)
    }
}
