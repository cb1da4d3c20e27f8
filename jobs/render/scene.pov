// A glass ball that circles a column on a chequered floor; the clock runs from 0 to 4 for one round.
#version 3.7;
global_settings { assumed_gamma 1.0 }
camera { location <0, 3, -7> look_at <0, 1, 0> }
light_source { <5, 8, -6> color rgb 1.2 }
background { color rgb <0.6, 0.75, 0.9> }
plane { y, 0 pigment { checker color rgb 0.9, color rgb <0.2, 0.3, 0.4> } }
cylinder { <0, 0, 0>, <0, 2.2, 0>, 0.6 pigment { color rgb <0.8, 0.5, 0.3> } finish { phong 0.6 } }
sphere {
    <2.2, 0.8, 0>, 0.8
    pigment { color rgbf <0.9, 1, 0.95, 0.8> }
    finish { reflection 0.15 specular 0.7 }
    interior { ior 1.45 }
    rotate <0, 90 * clock, 0>
}
