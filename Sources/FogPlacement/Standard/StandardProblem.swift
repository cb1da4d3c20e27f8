package import FogCore
internal import Glibc

/// Problems with known fronts, by which searches are compared.
///
/// SCH, FON, POL, KUR and ZDT as in Deb et al. 2002, table I; DTLZ2 as in Deb, Thiele, Laumanns and Zitzler 2002, with ten
/// distance variables.
package struct StandardProblem: SearchProblem {
    package let name: String
    package let objectiveCount: Int
    package var variation: RealVariation
    private let formula: Formula

    private enum Formula {
        case sch, fon, pol, kur, zdt1, zdt2, zdt3, zdt4, zdt6, dtlz2
    }

    package static let names = [
        "SCH", "FON", "POL", "KUR", "ZDT1", "ZDT2", "ZDT3", "ZDT4", "ZDT6", "DTLZ2-3", "DTLZ2-5",
    ]

    /// By its name, capitals or not; `DTLZ2` alone is the one with three objectives. Nil when there is none.
    package init?(named text: String) {
        func bounds(_ count: Int, _ low: Double, _ high: Double) -> RealVariation {
            RealVariation(low: Array(repeating: low, count: count), high: Array(repeating: high, count: count))
        }
        let capitals = text.uppercased()
        name = capitals == "DTLZ2" ? "DTLZ2-3" : capitals
        var objectives = 2
        switch name {
        case "SCH": (formula, variation) = (.sch, bounds(1, -1000, 1000))
        case "FON": (formula, variation) = (.fon, bounds(3, -4, 4))
        case "POL": (formula, variation) = (.pol, bounds(2, -Double.pi, Double.pi))
        case "KUR": (formula, variation) = (.kur, bounds(3, -5, 5))
        case "ZDT1": (formula, variation) = (.zdt1, bounds(30, 0, 1))
        case "ZDT2": (formula, variation) = (.zdt2, bounds(30, 0, 1))
        case "ZDT3": (formula, variation) = (.zdt3, bounds(30, 0, 1))
        case "ZDT4":
            formula = .zdt4
            variation = RealVariation(
                low: [0] + [Double](repeating: -5, count: 9), high: [1] + [Double](repeating: 5, count: 9))
        case "ZDT6": (formula, variation) = (.zdt6, bounds(10, 0, 1))
        case "DTLZ2-3": (formula, variation, objectives) = (.dtlz2, bounds(12, 0, 1), 3)
        case "DTLZ2-5": (formula, variation, objectives) = (.dtlz2, bounds(14, 0, 1), 5)
        default: return nil
        }
        objectiveCount = objectives
    }

    /// Genes of a genome.
    package var variables: Int { variation.low.count }

    package func makeGenome(using generator: inout SeededGenerator) -> [Double] {
        variation.makeGenome(using: &generator)
    }

    package func vary(
        _ first: inout [Double], _ second: inout [Double], _ settings: EvolutionSettings,
        using generator: inout SeededGenerator
    ) {
        variation.vary(
            &first, &second, crossover: settings.crossover, mutation: settings.mutation, using: &generator)
    }

    package func evaluate(_ x: [Double], into f: inout [Double]) -> Double {
        switch formula {
        case .sch: (f[0], f[1]) = (x[0] * x[0], (x[0] - 2) * (x[0] - 2))
        case .fon:
            let middle = 1 / 3.0.squareRoot()
            f[0] = 1 - exp(-x.reduce(0) { $0 + ($1 - middle) * ($1 - middle) })
            f[1] = 1 - exp(-x.reduce(0) { $0 + ($1 + middle) * ($1 + middle) })
        case .pol: poloni(x, &f)
        case .kur: kursawe(x, &f)
        case .zdt1, .zdt2, .zdt3, .zdt4, .zdt6: zitzler(x, &f)
        case .dtlz2: sphere(x, &f)
        }
        return 0
    }

    private func kursawe(_ x: [Double], _ f: inout [Double]) {
        (f[0], f[1]) = (0, 0)
        for gene in 0..<2 {
            let length = (x[gene] * x[gene] + x[gene + 1] * x[gene + 1]).squareRoot()
            f[0] -= 10 * exp(-0.2 * length)
        }
        for value in x { f[1] += pow(abs(value), 0.8) + 5 * sin(value * value * value) }
    }

    private func poloni(_ x: [Double], _ f: inout [Double]) {
        func terms(_ a: Double, _ b: Double) -> (Double, Double) {
            (
                0.5 * sin(a) - 2 * cos(a) + sin(b) - 1.5 * cos(b),
                1.5 * sin(a) - cos(a) + 2 * sin(b) - 0.5 * cos(b)
            )
        }
        let wanted = terms(1, 2), found = terms(x[0], x[1])
        let first = wanted.0 - found.0, second = wanted.1 - found.1
        f[0] = 1 + first * first + second * second
        f[1] = (x[0] + 3) * (x[0] + 3) + (x[1] + 1) * (x[1] + 1)
    }

    private func zitzler(_ x: [Double], _ f: inout [Double]) {
        let rest = x.dropFirst(), count = Double(rest.count)
        let g: Double
        switch formula {
        case .zdt4: g = 1 + 10 * count + rest.reduce(0) { $0 + $1 * $1 - 10 * cos(4 * Double.pi * $1) }
        case .zdt6: g = 1 + 9 * pow(rest.reduce(0, +) / count, 0.25)
        default: g = 1 + 9 * rest.reduce(0, +) / count
        }
        f[0] = formula == .zdt6 ? 1 - exp(-4 * x[0]) * pow(sin(6 * Double.pi * x[0]), 6) : x[0]
        let ratio = f[0] / g
        switch formula {
        case .zdt2, .zdt6: f[1] = g * (1 - ratio * ratio)
        case .zdt3: f[1] = g * (1 - ratio.squareRoot() - ratio * sin(10 * Double.pi * f[0]))
        default: f[1] = g * (1 - ratio.squareRoot())
        }
    }

    private func sphere(_ x: [Double], _ f: inout [Double]) {
        let g = x[(objectiveCount - 1)...].reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) }
        for objective in 0..<objectiveCount {
            var value = 1 + g
            for angle in 0..<objectiveCount - 1 - objective { value *= cos(x[angle] * Double.pi / 2) }
            if objective > 0 { value *= sin(x[objectiveCount - 1 - objective] * Double.pi / 2) }
            f[objective] = value
        }
    }
}
