// Says what is wrong with how the focused element shows that it has the focus; "" for nothing, "end" where there is none.
() => {
  const e = document.activeElement
  if (!e || e === document.body) return 'end'
  const name = `<${e.tagName.toLowerCase()} id="${e.id}" class="${(e.getAttribute('class') ?? '').slice(0, 80)}"> ${e.textContent.trim().slice(0, 40)}`
  const box = e.getBoundingClientRect()
  if (box.width < 2 || box.height < 2) return `${name}: the focus is on something nobody sees`
  const ring = (x) => {
    const s = getComputedStyle(x)
    return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow.replace(/rgba\(0, 0, 0, 0\)[^,]*/g, '').match(/\d+px \d+px \d+px [1-9]\d*px/) !== null
  }
  for (let x = e, up = 0; x && up < 4; x = x.parentElement, up++) if (ring(x)) return ''
  return `${name}: the focus does not show`
}
