internal import FogAPI
internal import FogCommandLine

/// A front as a drawing by itself: parallel coordinates, an axis an objective, a line a placement (Inselberg 1985).
struct FrontPlot {
    static let axes = ["latency", "variance", "distrust", "cost", "price"]

    private let decision: DecisionBody
    /// Cost and price in credits.
    let points: [[Double]]
    private let low: [Double]
    private let high: [Double]

    init(_ decision: DecisionBody) {
        self.decision = decision
        let points = decision.front.filter { $0.count == Self.axes.count }.map { point in
            Array(point.prefix(3)) + point.suffix(2).map { $0 / 1e6 }
        }
        self.points = points
        low = Self.axes.indices.map { axis in points.map { $0[axis] }.min() ?? 0 }
        high = Self.axes.indices.map { axis in points.map { $0[axis] }.max() ?? 0 }
    }

    private static let width = 760.0, height = 380.0, left = 70.0, right = 70.0, top = 50.0, bottom = 50.0

    private func x(_ axis: Int) -> Double {
        Self.left + Double(axis) * (Self.width - Self.left - Self.right) / Double(Self.axes.count - 1)
    }

    private func y(_ axis: Int, _ value: Double) -> Double {
        let share = high[axis] > low[axis] ? (value - low[axis]) / (high[axis] - low[axis]) : 0
        return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
    }

    private func line(_ point: [Double], _ look: String) -> String {
        let corners = point.indices.map { "\(rounded(x($0))),\(rounded(y($0, point[$0])))" }
        return "<polyline fill=\"none\" \(look) points=\"\(corners.joined(separator: " "))\"/>\n"
    }

    private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    /// A whole SVG document: nothing is fetched from elsewhere.
    var svg: String {
        var out = """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" \
            font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            <text x="\(Int(Self.left))" y="20">\(Self.escaped(Decisions.sentence(of: decision)))</text>

            """
        for (axis, name) in Self.axes.enumerated() {
            let place = rounded(x(axis))
            out += "<line x1=\"\(place)\" x2=\"\(place)\" y1=\"\(Self.top)\" y2=\"\(Self.height - Self.bottom)\" "
            out += "stroke=\"#999\"/>\n"
            for (value, y) in [(high[axis], Self.top - 6), (low[axis], Self.height - Self.bottom + 16)] {
                out += "<text x=\"\(place)\" y=\"\(y)\" text-anchor=\"middle\" fill=\"#555\">"
                out += "\(Decisions.figure(value))</text>\n"
            }
            out +=
                "<text x=\"\(place)\" y=\"\(Self.height - Self.bottom + 34)\" text-anchor=\"middle\">\(name)</text>\n"
        }
        for (index, point) in points.enumerated() where index != decision.chosen {
            out += line(point, "stroke=\"#4477aa\" stroke-opacity=\"0.45\"")
        }
        if let chosen = decision.chosen, points.indices.contains(chosen) {
            out += line(points[chosen], "stroke=\"#cc3311\" stroke-width=\"3\"")
        }
        return out + "</svg>\n"
    }

    /// A whole HTML page with the drawing and its figures.
    func page(title: String) -> String {
        var rows = "<tr><th></th>" + Self.axes.map { "<th>\($0)</th>" }.joined() + "</tr>\n"
        for (index, point) in points.enumerated() {
            let mark = index == decision.chosen ? "chosen" : ""
            rows += "<tr class=\"\(mark)\"><td>\(mark)</td>"
            rows += point.map { "<td>\(Decisions.figure($0))</td>" }.joined() + "</tr>\n"
        }
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(Self.escaped(title))</title>
            <style>body{font-family:sans-serif;max-width:800px;margin:2em auto}td,th{padding:2px 12px;text-align:right}
            .chosen{color:#cc3311;font-weight:bold}</style></head><body>
            <h1>\(Self.escaped(title))</h1>
            \(svg)<p>Less is better on every axis; the thick line is the placement that was chosen.</p>
            <table>
            \(rows)</table></body></html>

            """
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { out, character in
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            default: out.append(character)
            }
        }
    }
}
