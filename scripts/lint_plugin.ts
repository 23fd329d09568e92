/** Lint rules of this project that Deno does not ship: no type assertions (types are to carry the rules). */
const plugin: Deno.lint.Plugin = {
  name: "proxmox-mcp",
  rules: {
    "no-as": {
      create(context) {
        return {
          TSAsExpression(node) {
            const annotation = node.typeAnnotation;
            const isConst = annotation.type === "TSTypeReference" && annotation.typeName.type === "Identifier" &&
              annotation.typeName.name === "const";
            if (isConst) return;
            context.report({
              node,
              message: "`as` hides a type error",
              hint: "Parse or narrow the value instead; decoded answers get their type in pve/client.ts and sim/ only",
            });
          },
        };
      },
    },
  },
};
export default plugin;
